//! What the crate promises, beside what does not compile (the doctests) and what the matrix of languages shows.

use sharedring::*;
use std::os::unix::io::AsFd;
use std::time::Duration;

/// Only ends a test that hangs.
const PATIENCE: Option<Duration> = Some(Duration::from_secs(120));

fn small() -> Options {
    Options { capacity: 4096, ..Options::default() }
}

fn quick() -> EndpointOptions {
    EndpointOptions { check_interval: Duration::from_millis(5), ends: 1, ..EndpointOptions::default() }
}

fn pair(kind: Kind, options: &Options) -> (Ring, Consumer, Producer) {
    let ring = Ring::anonymous(kind, options).unwrap();
    let consumer = ring.consumer(&quick()).unwrap();
    let producer = ring.producer(&quick()).unwrap();
    (ring, consumer, producer)
}

fn code<T>(result: Result<T>) -> Code {
    result.err().expect("a failure").code()
}

fn calling(options: &Options) -> (Ring, Client, Server) {
    let service = Ring::anonymous(Kind::Call, options).unwrap();
    let client = service.client(&quick()).unwrap();
    let server = service.server(&quick()).unwrap();
    (service, client, server)
}

fn small_calls() -> Options {
    Options { clients: 4, servers: 2, request_capacity: 1000, reply_capacity: 2000, ..Options::default() }
}

#[test]
fn calls_have_their_replies() {
    let (service, mut client, server) = calling(&small_calls());
    let facts = service.facts();
    assert_eq!((facts.kind, facts.clients, facts.servers, facts.request_capacity, facts.reply_capacity), (Kind::Call, 4, 2, 1000, 2000));
    for size in [0, 1, 48, 49, 1000] {
        let bytes: Vec<u8> = (0..size).map(|i| i as u8).collect();
        std::thread::scope(|scope| {
            let client = &mut client;
            let expected = &bytes;
            scope.spawn(move || {
                let reply = client.call(expected, PATIENCE).unwrap();
                let mut start = [9; 4];
                assert_eq!(reply.copy_to(&mut start), reply.len().min(4));
                assert_eq!((reply.to_vec(), reply.is_empty()), (expected.repeat(2), expected.is_empty()));
                // SAFETY: the server has answered.
                assert_eq!(unsafe { reply.as_slice() }, &expected.repeat(2)[..]);
            });
            let request = server.next(PATIENCE).unwrap();
            assert_eq!(request.to_vec(), bytes);
            assert!(!request.is_retry() && !request.is_given_up());
            let doubled = request.to_vec().repeat(2);
            request.answer(&doubled).unwrap();
        });
    }
    assert_eq!(server.number(), 0);
    assert_eq!(code(service.consumer(&quick())), Code::Incompatible);
}

#[test]
fn calls_end_with_an_outcome() {
    let (_service, mut client, server) = calling(&small_calls());
    client.post(b"a").unwrap();
    server.poll().unwrap().unwrap().refuse(b"not that").unwrap();
    let error = client.wait(PATIENCE).err().unwrap();
    assert_eq!((error.outcome, error.error.code(), &error.refusal[..]), (Outcome::Refused, Code::CallFailed, &b"not that"[..]));
    assert_eq!(error.outcome.name(), "failed (refused)");
    client.post(b"a").unwrap();
    drop(server.poll().unwrap().unwrap());
    assert_eq!(client.wait(PATIENCE).err().unwrap().outcome, Outcome::Dropped);
    client.post(b"a").unwrap();
    assert_eq!(code(server.poll().unwrap().unwrap().answer(&[0; 2001])), Code::MessageTooLarge);
    assert_eq!(client.wait(PATIENCE).err().unwrap().outcome, Outcome::Dropped);
    let error = client.call(&[0; 1001], PATIENCE).err().unwrap();
    assert_eq!((error.outcome, error.error.code(), error.token), (Outcome::NotExecuted, Code::MessageTooLarge, None));
    let error = client.call(b"x", Some(Duration::ZERO)).err().unwrap();
    assert_eq!((error.outcome, error.error.code(), error.token.is_some()), (Outcome::NotExecuted, Code::TimedOut, true));
    assert!(error.to_string().contains("was not executed") && server.poll().unwrap().is_none());

    client.post(b"open").unwrap();
    let request = server.poll().unwrap().unwrap();
    assert!(client.poll().unwrap().is_none());
    assert_eq!(client.wait(Some(Duration::ZERO)).err().unwrap().outcome, Outcome::StillOpen);
    assert!(request.is_given_up() && !client.post(b"next").unwrap());
    request.answer(b"late").unwrap();
    assert!(client.post(b"next").unwrap());
    let again = server.poll().unwrap().unwrap();
    assert_eq!(client.give_up().err().unwrap().outcome, Outcome::StillOpen);
    drop(again);

    let mut draft = client.draft(100, PATIENCE).unwrap();
    draft.write(0, &[7; 60]);
    draft.write(60, &[8; 40]);
    draft.post().unwrap();
    std::mem::forget(server.poll().unwrap().unwrap());
    drop(server); // what it has started and not answered
    let error = client.wait(PATIENCE).err().unwrap();
    assert_eq!((error.outcome, error.error.code()), (Outcome::Closed, Code::CallFailed));
}

#[test]
fn a_retry_names_the_first_call() {
    let (_service, mut client, server) = calling(&small_calls());
    let token = client.call(b"x", Some(Duration::ZERO)).err().unwrap().token.unwrap();
    assert_eq!(token.to_string().parse::<Token>().unwrap(), token);
    assert_eq!(code("no token".parse::<Token>()), Code::InvalidName);
    std::thread::scope(|scope| {
        let client = &mut client;
        scope.spawn(move || assert_eq!(client.retry(b"x", &token, PATIENCE).unwrap().to_vec(), b"once"));
        let request = server.next(PATIENCE).unwrap();
        assert!(request.is_retry());
        assert_eq!(request.token(), token);
        request.answer(b"once").unwrap();
    });
    let canceller = client.canceller();
    canceller.cancel();
    let error = client.call(b"x", None).err().unwrap();
    assert_eq!((error.outcome, error.error.code()), (Outcome::NotExecuted, Code::Cancelled));
    let canceller = server.canceller();
    canceller.cancel();
    assert_eq!(code(server.next(None)), Code::Cancelled);
}

#[test]
fn requests_are_answered_in_any_order_and_from_any_thread() {
    let (service, mut client, server) = calling(&small_calls());
    let mut others: Vec<Client> = (0..3).map(|_| service.client(&quick()).unwrap()).collect();
    for (number, other) in others.iter_mut().enumerate() {
        assert!(other.post(&[number as u8; 100]).unwrap());
    }
    let mut requests: Vec<Request> = (0..3).map(|_| server.next(PATIENCE).unwrap()).collect();
    std::thread::scope(|scope| {
        while let Some(request) = requests.pop() {
            scope.spawn(move || {
                let bytes = request.to_vec();
                request.answer(&bytes).unwrap()
            });
        }
    });
    for (number, other) in others.iter_mut().enumerate() {
        assert_eq!(other.wait(PATIENCE).unwrap().to_vec(), [number as u8; 100]);
    }
    // With descriptors.
    let (calls, replies) = (server.descriptor().unwrap(), client.descriptor().unwrap());
    assert!(calls >= 0 && replies >= 0 && calls != replies);
    server.arm().unwrap();
    assert!(client.post(b"event").unwrap());
    server.disarm().unwrap();
    client.arm().unwrap();
    server.poll().unwrap().unwrap().answer(b"reply").unwrap();
    client.disarm().unwrap();
    assert_eq!(client.poll().unwrap().unwrap().to_vec(), b"reply");
}

#[test]
fn messages_come_in_order_with_their_tags() {
    for (kind, options) in [
        (Kind::Spsc, small()),
        (Kind::Mpsc, small()),
        (Kind::Broadcast, small()),
        (Kind::Mpsc, Options { total_order: true, ..small() }),
        (Kind::Spsc, Options { symmetric_barrier: true, record_alignment: 64, ..small() }),
    ] {
        let (_ring, mut consumer, mut producer) = pair(kind, &options);
        for number in 0..3000_u32 {
            let bytes = vec![number as u8; number as usize % 300];
            producer.send(&bytes, number, PATIENCE).unwrap();
            let message = consumer.receive(PATIENCE).unwrap().unwrap();
            assert_eq!((message.tag(), message.lane(), message.to_vec()), (number, 0, bytes));
        }
        producer.close().unwrap();
        assert!(consumer.receive(PATIENCE).unwrap().is_none());
        assert_eq!(consumer.ends(), Ends { closed: 1, died: 0 });
        consumer.close().unwrap();
    }
}

#[test]
fn names_are_bytes() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let path = std::env::temp_dir().join(format!("sharedring-names-{}", std::process::id()));
    std::fs::create_dir(&path).unwrap();
    let options = Options { directory: Some(path.clone()), ..small() };
    let name = OsStr::from_bytes(b"caf\xe9");
    let ring = Ring::create(name, Kind::Spsc, &options).unwrap();
    assert_eq!(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>(), [name]);
    assert_eq!(code(Ring::open("caf\u{e9}", Kind::Spsc, &options)), Code::NotFound);
    let mut producer = ring.producer(&quick()).unwrap();
    producer.send(b"x", 0, PATIENCE).unwrap();
    producer.close().unwrap();
    let mut consumer = Ring::open(name, Kind::Spsc, &options).unwrap().consumer(&quick()).unwrap();
    assert_eq!(consumer.receive(PATIENCE).unwrap().unwrap().to_vec(), b"x");
    consumer.close().unwrap();
    Ring::remove(name, &options).unwrap();
    let error = Ring::remove(name, &options).unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
    std::fs::remove_dir(&path).unwrap();
}

#[test]
fn what_is_claimed_is_sent_by_its_commit() {
    let (_ring, mut consumer, mut producer) = pair(Kind::Spsc, &small());
    let mut claim = producer.claim(10, PATIENCE).unwrap();
    claim.write(0, b"claim");
    assert_eq!(claim.len(), 10);
    claim.commit_bytes(5, 7).unwrap();
    drop(producer.claim(10, PATIENCE).unwrap()); // sends nothing
    {
        let message = consumer.receive(PATIENCE).unwrap().unwrap();
        assert_eq!((message.tag(), message.to_vec()), (7, b"claim".to_vec()));
        // SAFETY: no other process has this ring.
        assert_eq!(unsafe { message.as_slice() }, b"claim");
        message.put_back();
    }
    assert_eq!(consumer.receive(PATIENCE).unwrap().unwrap().len(), 5);
    assert!(matches!(consumer.poll(), Ok(Poll::Empty)));
    assert_eq!(code(producer.claim(5000, PATIENCE)), Code::MessageTooLarge);
    let claim = producer.claim(4, PATIENCE).unwrap();
    assert_eq!(code(claim.commit_bytes(5, 0)), Code::MessageTooLarge);
}

#[test]
#[should_panic(expected = "do not fit a claim")]
fn a_claim_has_an_end() {
    let (_ring, _consumer, mut producer) = pair(Kind::Spsc, &small());
    producer.claim(4, PATIENCE).unwrap().write(2, b"abc");
}

#[test]
fn a_batch_becomes_visible_at_once() {
    let (_ring, mut consumer, mut producer) = pair(Kind::Spsc, &small());
    let mut batch = producer.batch();
    batch.append(b"a", 1, PATIENCE).unwrap();
    assert!(batch.try_append(b"b", 2).unwrap());
    assert!(matches!(consumer.poll(), Ok(Poll::Empty)));
    batch.commit().unwrap();
    drop(producer.batch());
    assert_eq!(consumer.receive(PATIENCE).unwrap().unwrap().tag(), 1);
    assert_eq!(consumer.receive(PATIENCE).unwrap().unwrap().tag(), 2);
}

#[test]
fn what_is_not_acknowledged_comes_again() {
    let ring = Ring::anonymous(Kind::Spsc, &small()).unwrap();
    let mut producer = ring.producer(&quick()).unwrap();
    let mut consumer = ring.consumer(&EndpointOptions { manual: true, ..quick() }).unwrap();
    for tag in 0..3 {
        producer.send(b"x", tag, PATIENCE).unwrap();
    }
    assert_eq!(consumer.receive(PATIENCE).unwrap().unwrap().tag(), 0);
    consumer.acknowledge().unwrap();
    assert_eq!(consumer.receive(PATIENCE).unwrap().unwrap().tag(), 1);
    drop(consumer);
    let mut consumer = ring.consumer(&quick()).unwrap();
    for tag in 1..3 {
        assert_eq!(consumer.receive(PATIENCE).unwrap().unwrap().tag(), tag);
    }
    producer.wait_acknowledged(PATIENCE).unwrap();
}

#[test]
fn deaths_and_errors_have_their_codes() {
    let (ring, mut consumer, producer) = pair(Kind::Spsc, &small());
    let taken = ring.producer(&quick()).err().unwrap();
    assert_eq!(taken.code(), Code::RoleTaken);
    assert!(taken.to_string().contains(&std::process::id().to_string()));
    drop(producer);
    assert_eq!(code(consumer.receive(PATIENCE)), Code::PeerDied);
    let end = consumer.next_end().unwrap().unwrap();
    assert!(end.died && end.pid == std::process::id());
    assert_eq!(consumer.next_end().unwrap(), None);
    assert_eq!(code(consumer.receive(Some(Duration::from_millis(1)))), Code::TimedOut);
    assert_eq!(code(consumer.receive(Some(Duration::ZERO))), Code::TimedOut);
    drop(consumer);
    let mut producer = ring.producer(&quick()).unwrap();
    producer.send(&[0; 4000], 0, PATIENCE).unwrap();
    assert_eq!(code(producer.send(&[0; 4000], 0, PATIENCE)), Code::PeerDied);
    assert!(!producer.try_send(&[0; 4000], 0).unwrap());
    assert!(producer.free_bytes() < 4000 && !producer.has_consumer());
    assert_eq!(code(Ring::open("no such ring", Kind::Spsc, &Options::default())), Code::NotFound);
    assert_eq!(code(Ring::open("a/b", Kind::Spsc, &Options::default())), Code::InvalidName);
    assert_eq!(code(Ring::open("a\0b", Kind::Spsc, &Options::default())), Code::InvalidName);
    assert_eq!(code(Ring::anonymous(Kind::Spsc, &Options { record_alignment: 24, ..small() })), Code::InvalidOption);
}

#[test]
fn a_wait_is_cancelled_from_another_thread() {
    let (_ring, mut consumer, _producer) = pair(Kind::Spsc, &small());
    let canceller = consumer.canceller();
    let thread = std::thread::spawn(move || canceller.cancel());
    assert_eq!(code(consumer.receive(None)), Code::Cancelled);
    thread.join().unwrap();
    let canceller = consumer.canceller();
    canceller.reset();
    assert_eq!(code(consumer.receive(Some(Duration::from_millis(1)))), Code::TimedOut);
    drop(consumer);
    canceller.cancel(); // of what is gone: nothing
}

#[test]
fn names_and_descriptors_lead_to_rings() {
    let name = format!("rust-{}", std::process::id());
    let ring = Ring::create(&name, Kind::Spsc, &small()).unwrap();
    assert_eq!(code(Ring::create(&name, Kind::Spsc, &small())), Code::AlreadyExists);
    assert_eq!(code(Ring::open(&name, Kind::Mpsc, &small())), Code::Incompatible);
    assert_eq!(ring.facts().capacity, 4096);
    let mut consumer = ring.consumer(&quick()).unwrap();
    assert_eq!(code(Ring::remove(&name, &Options::default())), Code::InUse);
    assert!(consumer.remove_if_unused().unwrap());
    drop(consumer);

    let ring = Ring::anonymous(Kind::Spsc, &small()).unwrap();
    let descriptor = ring.descriptor(false).unwrap();
    let same = Ring::from_descriptor(descriptor.as_fd(), Kind::Spsc, &Options::default()).unwrap();
    same.producer(&quick()).unwrap().send(b"there", 0, PATIENCE).unwrap();
    assert_eq!(ring.consumer(&quick()).unwrap().receive(PATIENCE).unwrap().unwrap().to_vec(), b"there");
}

#[test]
fn a_lossy_subscriber_counts_what_it_missed() {
    let ring = Ring::anonymous(Kind::Broadcast, &small()).unwrap();
    let mut publisher = ring.producer(&quick()).unwrap();
    let mut lossy = ring.consumer(&EndpointOptions { lossy: true, ..quick() }).unwrap();
    for number in 0..2000_u32 {
        publisher.send(&number.to_le_bytes(), 0, PATIENCE).unwrap();
    }
    publisher.close().unwrap();
    let mut received = 0;
    lossy.for_each(|_| received += 1).unwrap();
    assert!(lossy.missed().messages > 0); // all of it, if the publisher closed first
    assert_eq!(received + lossy.missed().messages, 2000);
    let mut late = ring.consumer(&EndpointOptions { start: Start::Last(2), ..quick() }).unwrap();
    assert_eq!(late.receive(PATIENCE).unwrap().unwrap().to_vec(), 1998_u32.to_le_bytes());
}

#[test]
fn a_board_has_the_latest_values() {
    let board = Ring::anonymous(Kind::Board, &Options { capacity: 3 * board_size(4000, true), keeps_time: true, ..Options::default() }).unwrap();
    board.add_entry("price", 100).unwrap();
    board.add_entry("depth", 4000).unwrap();
    let mut reader = board.board_reader(None, &quick()).unwrap();
    assert_eq!(reader.keys(), ["price", "depth"]);
    assert_eq!(reader.get("price").unwrap(), None);
    assert_eq!(code(reader.get("nothing")), Code::EntryNotFound);
    let mut writer = board.board_writer("depth").unwrap();
    assert_eq!(code(board.board_writer("depth")), Code::RoleTaken);
    for number in 1..=10 {
        writer.set(&[number; 4000], u32::from(number)).unwrap();
    }
    assert_eq!(reader.wait(PATIENCE).unwrap(), "depth");
    let value = reader.get("depth").unwrap().unwrap();
    assert_eq!((value.version, value.tag, value.bytes), (10, 10, vec![10; 4000]));
    assert!(value.time_ns > 0);
    let moment = reader.snapshot().unwrap();
    assert!(moment[0].1.is_none() && moment[1].1.as_ref().unwrap().bytes == vec![10; 4000]);
    assert_eq!(code(writer.set(&[0; 4001], 0)), Code::MessageTooLarge);
    assert_eq!(code(reader.wait(Some(Duration::from_millis(1)))), Code::TimedOut);
}

#[test]
fn a_descriptor_is_readable_when_something_waits() {
    let (_ring, mut consumer, mut producer) = pair(Kind::Spsc, &small());
    assert!(consumer.descriptor().unwrap() >= 3);
    assert!(matches!(consumer.poll(), Ok(Poll::Empty)));
    consumer.arm().unwrap();
    assert_eq!(code(consumer.receive(PATIENCE)), Code::AlreadyWaiting);
    producer.send(b"event", 0, PATIENCE).unwrap();
    while !matches!(consumer.poll().unwrap(), Poll::Message(_)) {
        std::thread::yield_now(); // the library's thread lets go soon
    }
}

#[test]
fn what_is_disarmed_is_the_callers() {
    for kind in [Kind::Spsc, Kind::Mpsc, Kind::Broadcast] {
        let (_ring, mut consumer, mut producer) = pair(kind, &small());
        consumer.descriptor().unwrap();
        for _ in 0..20 {
            assert!(matches!(consumer.poll(), Ok(Poll::Empty)));
            consumer.arm().unwrap();
            assert_eq!(code(consumer.acknowledge()), Code::AlreadyWaiting);
            consumer.disarm().unwrap();
            consumer.acknowledge().unwrap();
            producer.send(b"later", 0, PATIENCE).unwrap();
            assert_eq!(consumer.receive(PATIENCE).unwrap().unwrap().to_vec(), b"later");
        }
    }
}

#[test]
fn copies_have_any_size() {
    let (_ring, mut consumer, mut producer) = pair(Kind::Spsc, &small());
    for size in 0..300 {
        let bytes: Vec<u8> = (0..size).map(|number| number as u8).collect();
        let mut claim = producer.claim(size, PATIENCE).unwrap();
        claim.write(0, &bytes[..size / 2]);
        claim.write(size / 2, &bytes[size / 2..]);
        claim.commit(0).unwrap();
        let message = consumer.receive(PATIENCE).unwrap().unwrap();
        assert_eq!(message.to_vec(), bytes);
        let (mut more, mut fewer) = ([7; 301], [7; 16]);
        assert_eq!((message.copy_to(&mut more), message.copy_to(&mut fewer)), (size, size.min(16)));
        assert!(more[..size] == bytes[..] && more[size..].iter().all(|byte| *byte == 7));
        assert!(fewer[..size.min(16)] == bytes[..size.min(16)]);
    }
}

#[test]
fn a_boards_wait_is_cancelled_and_has_a_descriptor() {
    let board = Ring::anonymous(Kind::Board, &Options { capacity: 4096, ..Options::default() }).unwrap();
    board.add_entry("key", 8).unwrap();
    let mut reader = board.board_reader(None, &quick()).unwrap();
    let canceller = reader.canceller();
    let thread = std::thread::spawn(move || canceller.cancel());
    assert_eq!(code(reader.wait(None)), Code::Cancelled);
    thread.join().unwrap();
    let canceller = reader.canceller();
    canceller.reset();
    assert_eq!(code(reader.wait(Some(Duration::from_millis(1)))), Code::TimedOut);
    assert!(reader.descriptor().unwrap() >= 3);
    reader.arm().unwrap();
    assert_eq!(code(reader.get("key")), Code::AlreadyWaiting);
    reader.disarm().unwrap();
    assert_eq!(reader.get("key").unwrap(), None);
    reader.arm().unwrap();
    board.board_writer("key").unwrap().set(b"1", 0).unwrap();
    while reader.wait(Some(Duration::ZERO)).is_err() {
        std::thread::yield_now(); // the library's thread lets go soon
    }
    drop(reader);
    canceller.cancel(); // of what is gone: nothing
}

#[test]
fn an_armed_consumer_is_its_threads() {
    for kind in [Kind::Spsc, Kind::Mpsc] {
        let name = format!("rust-armed-{}-{}", std::process::id(), kind as u32);
        let ring = Ring::create(&name, kind, &small()).unwrap();
        let mut consumer = ring.consumer(&quick()).unwrap();
        consumer.descriptor().unwrap();
        assert!(matches!(consumer.poll(), Ok(Poll::Empty)));
        consumer.arm().unwrap();
        assert_eq!(code(consumer.remove_if_unused()), Code::AlreadyWaiting);
        assert_eq!(code(consumer.acknowledge()), Code::AlreadyWaiting);
        assert_eq!(consumer.ends(), Ends { closed: 0, died: 0 });
        consumer.close().unwrap();
        Ring::remove(&name, &Options::default()).unwrap();
    }
}

#[test]
fn check_intervals_may_be_as_long_as_they_like() {
    let patient = EndpointOptions { check_interval: Duration::MAX, waiting: Waiting::Sleep, ..quick() };
    let ring = Ring::anonymous(Kind::Broadcast, &small()).unwrap();
    let mut producer = ring.producer(&patient).unwrap();
    let mut consumer = ring.consumer(&patient).unwrap();
    assert_eq!(code(consumer.receive(Some(Duration::from_millis(1)))), Code::TimedOut);
    while producer.try_send(&[0; 1000], 0).unwrap() {}
    assert_eq!(code(producer.send(&[0; 1000], 0, Some(Duration::from_millis(1)))), Code::TimedOut);
    let board = Ring::anonymous(Kind::Board, &Options { capacity: board_size(8, false), ..Options::default() }).unwrap();
    board.add_entry("key", 8).unwrap();
    let mut reader = board.board_reader(None, &patient).unwrap();
    assert_eq!(code(reader.wait(Some(Duration::from_millis(1)))), Code::TimedOut);
    assert_eq!(reader.snapshot().unwrap(), [("key".to_string(), None)]);
}
