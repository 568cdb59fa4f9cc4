//! A process for the tests to start, stop and kill: as Clients/C/tests/peer.c, with the same words.

use sharedring::*;
use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

const PATIENCE: Option<Duration> = Some(Duration::from_secs(600));

fn say_bytes(bytes: &[u8]) {
    let mut line = bytes.to_vec();
    line.push(b'\n');
    io::stdout().write_all(&line).unwrap();
    io::stdout().flush().unwrap();
}

fn say(text: impl AsRef<str>) {
    say_bytes(text.as_ref().as_bytes())
}

fn line() -> Option<(String, String)> {
    let mut line = String::new();
    if io::stdin().lock().read_line(&mut line).unwrap() == 0 {
        return None;
    }
    let line = line.trim_end_matches('\n');
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    Some((word.into(), rest.into()))
}

fn parse(words: &[String]) -> (Kind, Options, EndpointOptions) {
    let (mut kind, mut ring, mut end) = (Kind::Spsc, Options::default(), EndpointOptions::default());
    ring.capacity = 4096;
    end.ends = 1;
    end.check_interval = Duration::from_millis(10);
    for (key, value) in words.iter().filter_map(|word| word.split_once('=')) {
        let number = || value.parse::<u64>().unwrap();
        match key {
            "directory" => ring.directory = Some(value.into()),
            "capacity" => ring.capacity = number(),
            "lanes" => {
                kind = Kind::Mpsc;
                ring.lanes = number() as u32
            }
            "subscribers" => {
                kind = Kind::Broadcast;
                ring.subscribers = number() as u32
            }
            "order" => ring.total_order = value == "total",
            "barrier" => ring.symmetric_barrier = value == "symmetric",
            "check-interval" => end.check_interval = Duration::from_millis(number()),
            "waiting" => {
                end.waiting = match value {
                    "sleep" => Waiting::Sleep,
                    "spin" => Waiting::Spin,
                    _ => Waiting::Adaptive,
                }
            }
            "acknowledgement" => end.manual = value == "manual",
            "from" => {
                end.start = match value {
                    "now" => Start::Now,
                    "oldest" => Start::Oldest,
                    _ => Start::Last(number() as u32),
                }
            }
            "lossy" => end.lossy = value == "yes",
            "senders" => end.ends = number() as u32,
            _ => (),
        }
    }
    (kind, ring, end)
}

fn fail(error: &Error) {
    say(format!("error {} {}", error.code().name(), error))
}

fn obey_sending(producer: &mut Producer, word: &str, rest: &str) -> Result<()> {
    match word {
        "send" => producer.send(rest.as_bytes(), rest.len() as u32, PATIENCE).map(|_| say("sent"))?,
        "try" => say(if producer.try_send(rest.as_bytes(), 0)? { "sent" } else { "full" }),
        "fill" => {
            let mut count = 0;
            while producer.try_send(rest.as_bytes(), 0)? {
                count += 1
            }
            say(format!("filled {}", count))
        }
        "numbers" => {
            for number in 0..rest.parse::<u64>().unwrap() {
                producer.send(&number.to_le_bytes(), 0, PATIENCE)?
            }
            say("sent")
        }
        "claim" => {
            let count = rest.parse().unwrap();
            let mut claim = producer.claim(count, PATIENCE)?;
            claim.write(0, &vec![b'A'; count]);
            say("claimed");
            if line().map_or(false, |(word, _)| word == "commit") {
                claim.commit(0)?
            }
            say("done")
        }
        "batch" => {
            let mut batch = producer.batch();
            let count: u32 = rest.parse().unwrap();
            for number in 0..count {
                batch.append(format!("batched {}", number).as_bytes(), 0, PATIENCE)?
            }
            say(format!("appended {}", count));
            if line().map_or(false, |(word, _)| word == "commit") {
                batch.commit()?
            }
            say("done")
        }
        "subscribers" => producer.wait_consumers(rest.parse().unwrap(), PATIENCE).map(|_| say("subscribed"))?,
        "acknowledged" => producer.wait_acknowledged(PATIENCE).map(|_| say("acknowledged"))?,
        _ => (),
    }
    Ok(())
}

fn send(name: &str, words: &[String]) -> Result<()> {
    let (kind, options, end) = parse(words);
    let mut producer = Ring::open_or_create(name, kind, &options)?.producer(&end)?;
    say("attached");
    let mut closes = false;
    while let Some((word, rest)) = line() {
        if word == "close" {
            closes = true;
            break;
        }
        if let Err(error) = obey_sending(&mut producer, &word, &rest) {
            fail(&error)
        }
    }
    if closes {
        producer.close()?
    } else {
        drop(producer)
    }
    say("closed");
    Ok(())
}

fn obey_receiving(consumer: &mut Consumer, word: &str, rest: &str) -> Result<()> {
    match word {
        "next" => match consumer.receive(PATIENCE)? {
            Some(message) => say_bytes(&[b"message ", message.to_vec().as_slice()].concat()),
            None => say("ended"),
        },
        "numbers" => {
            for expected in 0..rest.parse::<u64>().unwrap() {
                assert_eq!(consumer.receive(PATIENCE)?.unwrap().to_vec(), expected.to_le_bytes())
            }
            say("received")
        }
        "acknowledge" => consumer.acknowledge().map(|_| say("acknowledged"))?,
        "remove" => say(format!("removed {}", consumer.remove_if_unused()?)),
        "missed" => {
            let missed = consumer.missed();
            say(format!("missed {} {}", missed.messages, missed.bytes))
        }
        _ => (),
    }
    Ok(())
}

fn receive(name: &str, words: &[String]) -> Result<()> {
    let (kind, options, end) = parse(words);
    let mut consumer = Ring::open_or_create(name, kind, &options)?.consumer(&end)?;
    say("attached");
    let mut closes = false;
    while let Some((word, rest)) = line() {
        if word == "close" {
            closes = true;
            break;
        }
        if let Err(error) = obey_receiving(&mut consumer, &word, &rest) {
            fail(&error)
        }
    }
    if closes {
        consumer.close()?
    } else {
        drop(consumer)
    }
    say("closed");
    Ok(())
}

fn write_board(name: &str, key: &str) -> Result<()> {
    let board = Ring::open(name, Kind::Board, &Options::default())?;
    let mut writer = board.board_writer(key)?;
    say("attached");
    while let Some((word, rest)) = line() {
        if word == "close" {
            break;
        }
        let version = writer.set(rest.as_bytes(), 0).and_then(|_| board.board_reader(Some(key), &EndpointOptions::default())?.get(key));
        match version {
            Ok(value) => say(format!("version {}", value.map_or(0, |value| value.version))),
            Err(error) => fail(&error),
        }
    }
    drop(writer);
    say("closed");
    Ok(())
}

fn read_board(name: &str, key: &str, words: &[String]) -> Result<()> {
    let (_, _, end) = parse(words);
    let mut reader = Ring::open(name, Kind::Board, &Options::default())?.board_reader(Some(key), &end)?;
    say("attached");
    say("woken");
    while let Some((word, _)) = line() {
        let waited = if word == "next" { reader.wait(PATIENCE).map(|_| ()) } else { Ok(()) };
        match waited.and_then(|_| reader.get(key)) {
            Ok(Some(value)) => say_bytes(&[format!("{} ", value.version).as_bytes(), &value.bytes].concat()),
            Ok(None) => say("nothing"),
            Err(error) => fail(&error),
        }
    }
    Ok(())
}

fn serve(name: &str, words: &[String]) -> Result<()> {
    let (_, _, end) = parse(words);
    let server = Ring::open(name, Kind::Call, &Options::default())?.server(&end)?;
    let mut held = std::collections::VecDeque::new();
    say("attached");
    while let Some((word, rest)) = line() {
        let oldest: Option<&Request> = held.front();
        let result = match (word.as_str(), oldest.is_some()) {
            ("echo", _) => {
                say("echoing");
                loop {
                    let request = server.next(None)?;
                    let bytes = request.to_vec();
                    request.answer(&bytes)?
                }
            }
            ("next", _) => server.next(PATIENCE).map(|request| {
                let again: &[u8] = if request.is_retry() { b" again" } else { b"" };
                say_bytes(&[b"call ", &request.to_vec()[..], again].concat());
                held.push_back(request)
            }),
            ("given-up", _) => {
                say(if oldest.map_or(false, |request| request.is_given_up()) { "yes" } else { "no" });
                Ok(())
            }
            ("token", _) => {
                say(oldest.map_or("none".into(), |request| request.token().to_string()));
                Ok(())
            }
            ("answer", true) => held.pop_front().unwrap().answer(rest.as_bytes()).map(|_| say("answered")),
            ("refuse", true) => held.pop_front().unwrap().refuse(rest.as_bytes()).map(|_| say("refused")),
            ("drop", true) => {
                drop(held.pop_front());
                say("dropped");
                Ok(())
            }
            ("close", _) => break,
            _ => {
                say("what?");
                Ok(())
            }
        };
        if let Err(error) = result {
            fail(&error)
        }
    }
    held.into_iter().for_each(std::mem::forget); // the server's end answers them
    drop(server);
    say("closed");
    Ok(())
}

fn make_calls(name: &str, words: &[String]) -> Result<()> {
    let (_, _, end) = parse(words);
    let mut client = Ring::open(name, Kind::Call, &Options::default())?.client(&end)?;
    let mut last = None;
    say("attached");
    while let Some((word, rest)) = line() {
        let result = match word.as_str() {
            "call" => client.call(rest.as_bytes(), PATIENCE),
            "try" => {
                let (milliseconds, text) = rest.split_once(' ').unwrap();
                client.call(text.as_bytes(), Some(Duration::from_millis(milliseconds.parse().unwrap())))
            }
            "again" => client.retry(rest.as_bytes(), &last.unwrap(), PATIENCE),
            "calls" => {
                for number in 0..rest.parse::<u64>().unwrap() {
                    assert_eq!(client.call(&number.to_le_bytes(), PATIENCE).unwrap().to_vec(), number.to_le_bytes());
                }
                say("called");
                continue;
            }
            _ => break,
        };
        match result {
            Ok(reply) => {
                last = Some(reply.token());
                say_bytes(&[b"replied ", &reply.to_vec()[..]].concat())
            }
            Err(error) => {
                last = error.token.or(last);
                let space: &[u8] = if error.refusal.is_empty() { b"" } else { b" " };
                say_bytes(&[error.outcome.name().as_bytes(), b": ", error.error.code().name().as_bytes(), space, &error.refusal].concat())
            }
        }
    }
    drop(client);
    say("closed");
    Ok(())
}

fn open_any(path: &Path) -> Result<Ring> {
    let options = Options { directory: path.parent().map(PathBuf::from), ..Options::default() };
    let name = path.file_name().unwrap().to_str().unwrap();
    let mut last = None;
    for kind in [Kind::Spsc, Kind::Mpsc, Kind::Broadcast, Kind::Board, Kind::Call] {
        match Ring::open(name, kind, &options) {
            Err(error) if error.code() == Code::Incompatible => last = Some(error),
            result => return result,
        }
    }
    Err(last.unwrap())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{:02x}", byte)).collect()
}

fn verdict(look: &str, path: &str) -> Result<String> {
    let ring = open_any(Path::new(path))?;
    match look {
        "send" => {
            let producers: Result<Vec<Producer>> = (0..ring.facts().lanes).map(|_| ring.producer(&EndpointOptions::default())).collect();
            for producer in producers?.iter_mut() {
                producer.try_send(b"x", 0)?;
            }
            Ok("ok".into())
        }
        "receive" => {
            let mut consumer = ring.consumer(&EndpointOptions { start: Start::Oldest, ..EndpointOptions::default() })?;
            let mut count = 0;
            for _ in 0..3000 {
                match consumer.poll() {
                    Ok(Poll::Message(_)) => count += 1,
                    Ok(Poll::Empty) => (),
                    Ok(Poll::Ended) => return Ok(format!("{} ended", count)),
                    Err(error) => return Ok(format!("{} {}", count, error.code().name())),
                }
            }
            Ok(format!("{} empty", count))
        }
        "serve" => {
            let (server, mut words) = (ring.server(&EndpointOptions::default())?, Vec::new());
            while let Some(request) = server.poll()? {
                words.push(String::from_utf8_lossy(&request.to_vec()).into_owned());
                request.answer(b"ok")?;
            }
            Ok(words.join(" "))
        }
        "call" => match ring.client(&EndpointOptions::default())?.call(b"x", Some(Duration::ZERO)) {
            Ok(reply) => Ok(String::from_utf8_lossy(&reply.to_vec()).into_owned()),
            Err(error) if error.outcome != Outcome::NotExecuted => Ok(error.outcome.name().into()),
            Err(error) => Ok(if error.token.is_some() { "not executed" } else { "slot in use" }.into()),
        },
        "write" => {
            for key in ring.board_reader(None, &EndpointOptions::default())?.keys() {
                ring.board_writer(&key)?.set(b"x", 0)?;
            }
            Ok("ok".into())
        }
        _ => {
            let mut reader = ring.board_reader(None, &EndpointOptions::default())?;
            let mut words = Vec::new();
            for key in reader.keys() {
                let time = |value: &Value| if ring.facts().keeps_time { format!("@{}", value.time_ns) } else { String::new() };
                words.push(match reader.get(&key)? {
                    None => key,
                    Some(value) => format!("{}={}:{}:{}{}", key, value.version, value.tag, hexadecimal(&value.bytes), time(&value)),
                });
            }
            Ok(words.join(" "))
        }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.first().map(String::as_str) {
        Some("producer") => send(&arguments[1], &arguments[2..]),
        Some("consumer") | Some("collector") | Some("subscriber") => receive(&arguments[1], &arguments[2..]),
        Some("board-writer") => write_board(&arguments[1], &arguments[2]),
        Some("board-reader") => read_board(&arguments[1], &arguments[2], &arguments[3..]),
        Some("call-server") => serve(&arguments[1], &arguments[2..]),
        Some("call-client") => make_calls(&arguments[1], &arguments[2..]),
        Some("verdicts") => {
            while let Some((look, path)) = line() {
                match verdict(&look, &path) {
                    Ok(text) => say(text),
                    Err(error) => say(error.code().name()),
                }
            }
            Ok(())
        }
        _ => panic!("usage: see peer.rs"),
    };
    if let Err(error) = result {
        fail(&error);
        std::process::exit(1)
    }
}
