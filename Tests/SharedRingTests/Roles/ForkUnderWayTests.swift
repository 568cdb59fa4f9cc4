import CSharedRing
import CTestSupport
import Foundation
import TestSupport
import Testing

@testable import SharedRing

private func isForked(_ body: () throws(RingError) -> Void) -> Bool {
    do throws(RingError) {
        try body()
        return false
    } catch {
        return error.code == .forked
    }
}

@Suite("Forked in the middle of something: the child can drop what was out, and nothing more", .oneByOne, .serialized)
struct ForkUnderWayTests {
    /// Forks while a message is out that is destroyed late. The first step that went wrong in the child, or 0.
    private func forkWithMessageOut<Source: MessageSource & ~Copyable>(_ source: inout Source) throws -> Int32 {
        guard let message = try source.next(timeout: patience) else { return 100 }
        #expect(message.tag == 1)
        let child = ts_split()
        if child == 0 {
            guard isForked({ () throws(RingError) in _ = try source.next(timeout: patience) }) else { ts_leave(1) }
            guard isForked({ () throws(RingError) in _ = try source.poll() }) else { ts_leave(2) }
            if source.nextIfAvailable() != nil { ts_leave(3) }
            if source.drain(limit: 5, { _ in }) != 0 { ts_leave(4) }
            return 0  // destroys the message
        }
        return end(of: child)
    }

    private func check<Source: MessageSource & ~Copyable>(_ source: inout Source) throws {
        let parent = getpid()
        let status = try forkWithMessageOut(&source)
        if getpid() != parent { ts_leave(status) }
        #expect(status == 0)
        // Here the message is used up, as if there had been no child, and the next one comes.
        #expect(try source.next(timeout: patience)?.tag == 2)
        #expect(try source.next(timeout: patience)?.tag == 3)
    }

    @Test("A message that is out can be dropped in the child, late, and the parent's is its own", arguments: [true, false])
    func message(isManual: Bool) throws {
        let acknowledgement: Acknowledgement = isManual ? .manual : .automatic
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        var producer = try ring.makeProducer()
        for tag in UInt32(1)...3 { try producer.send("message", tag: tag) }
        var consumer = try ring.makeConsumer(acknowledgement: acknowledgement)
        try check(&consumer)
        let head = sr_load_acquire_u64(sr_head(consumer.reader.pointee.control))
        #expect(head == (isManual ? 0 : consumer.reader.pointee.head), "the child stored none")

        for order in [MPSCRing.Order.perProducer, .total] {
            let many = try MPSCRing.anonymous(lanes: 2, order: order, options: RingOptions(capacity: 4096))
            var one = try many.makeProducer()
            var other = try many.makeProducer()
            var merging = try many.makeConsumer(acknowledgement: acknowledgement)
            for tag in UInt32(1)...3 { try one.send("message", tag: tag) }
            try check(&merging)
            try other.send("other", tag: 4)
            #expect(try merging.next(timeout: patience)?.tag == 4)
        }
    }

    @Test("A message put back in the child, too") func putBack() throws {
        try SPSCRing.withEndpoints { producer, consumer in
            for tag in UInt32(1)...2 { try producer.send("message", tag: tag) }
            let child: Int32
            do {
                guard let message = consumer.nextIfAvailable() else { throw Patience.Exhausted() }
                child = ts_split()
                message.putBack()
            }
            if child == 0 { ts_leave(isForked { () throws(RingError) in _ = try consumer.next() } ? 0 : 1) }
            #expect(end(of: child) == 0)
            #expect(try consumer.next()?.tag == 1)
            #expect(try consumer.next()?.tag == 2)
        }
    }

    @Test("A body that throws in the child leaves the drain", arguments: [1, 3]) func drain(at number: Int) throws {
        struct TestError: Error {}
        try SPSCRing.withEndpoints { producer, consumer in
            for tag in UInt32(1)...3 { try producer.send("message", tag: tag) }
            var child: Int32 = -1
            var tags: [UInt32] = []
            do {
                try consumer.drain { (message: borrowing Message) throws(TestError) in
                    tags.append(message.tag)
                    guard tags.count == number else { return }
                    child = ts_split()
                    throw TestError()
                }
            } catch {}
            if child == 0 { ts_leave(isForked { () throws(RingError) in _ = try consumer.next() } ? 0 : 1) }
            #expect(end(of: child) == 0)
            #expect(tags == Array(1...UInt32(number)))
            #expect(try consumer.next()?.tag == UInt32(number))
        }
    }

    @Test("A claim and a batch can be dropped; the batch takes nothing more, however much room it had", arguments: [false, true])
    func sending(isEmpty: Bool) throws {
        try SPSCRing.withEndpoints { producer, consumer in
            var status: Int32 = -1
            do {
                let claim = try producer.claim(byteCount: 100)
                status = ts_split()
                // Dropped in the child.
                if status != 0 { claim.commit(tag: 1) }
            }
            if status == 0 { ts_leave(isForked { () throws(RingError) in _ = try producer.claim(byteCount: 0) } ? 0 : 1) }
            #expect(end(of: status) == 0)
            var batch = producer.batch()
            if !isEmpty { try batch.append(value: UInt64(2), tag: 2) }
            let child = ts_split()
            if child == 0 {
                let bytes: [UInt8] = [1]
                for step in Int32(1)...2 {
                    do throws(RingError) {
                        if step == 1 { try batch.append([UInt8]()) } else { _ = try batch.tryAppend(bytes.span.bytes) }
                        ts_leave(step)
                    } catch {
                        if error.code != .forked { ts_leave(10 + step) }
                    }
                }
                ts_leave(0)
            }
            #expect(end(of: child) == 0)
            try batch.append(value: UInt64(3), tag: 3)
            batch.commit()
            var tags: [UInt32] = []
            consumer.drain { tags.append($0.tag) }
            #expect(tags == (isEmpty ? [1, 3] : [1, 2, 3]))
        }
    }

    @Test("An event source that waits, or whose wait is over: nothing lets the child in", arguments: [true, false])
    func eventSource(isOver: Bool) throws {
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        var producer = try ring.makeProducer()
        var source = try ring.makeConsumer(options: EndpointOptions(checkInterval: .milliseconds(10))).eventSource()
        let many = try MPSCRing.anonymous(lanes: 2, options: RingOptions(capacity: 4096))
        var other = try many.makeProducer()
        var merging = try many.makeConsumer(options: EndpointOptions(checkInterval: .milliseconds(10))).eventSource()
        try producer.send("first", tag: 1)
        try other.send("first", tag: 1)
        var tags: [UInt32] = []
        #expect(try source.drain { tags.append($0.tag) } == .empty)
        #expect(try merging.drain { tags.append($0.tag) } == .empty)
        if isOver {
            try producer.send("second", tag: 2)
            try other.send("second", tag: 2)
            for descriptor in [source.descriptor, merging.descriptor] {
                var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
                #expect(poll(&entry, 1, patienceMilliseconds) == 1)
            }
        }
        let child = ts_split()
        if child == 0 {
            guard isForked({ () throws(RingError) in try source.acknowledge() }) else { ts_leave(1) }
            guard isForked({ () throws(RingError) in try merging.acknowledge() }) else { ts_leave(2) }
            guard isForked({ () throws(RingError) in _ = try source.poll() }) else { ts_leave(3) }
            var consumer = source.consumer()
            guard consumer.nextIfAvailable() == nil, consumer.drain(limit: 2, { _ in }) == 0 else { ts_leave(4) }
            guard isForked({ () throws(RingError) in _ = try consumer.poll() }) else { ts_leave(5) }
            guard isForked({ () throws(RingError) in try consumer.acknowledge() }) else { ts_leave(6) }
            var mergingConsumer = merging.consumer()
            guard mergingConsumer.nextIfAvailable() == nil else { ts_leave(7) }
            guard isForked({ () throws(RingError) in _ = try mergingConsumer.next(timeout: patience) }) else { ts_leave(8) }
            ts_leave(0)
        }
        #expect(end(of: child) == 0)
        if !isOver {
            try producer.send("second", tag: 2)
            try other.send("second", tag: 2)
        }
        var consumer = source.consumer()
        #expect(try consumer.next(timeout: patience)?.tag == 2)
        var mergingConsumer = merging.consumer()
        #expect(try mergingConsumer.next(timeout: patience)?.tag == 2)
        #expect(tags == [1, 1])
    }

    @Test("A reader in memory that another had before is gated; given back in the child, it is the child's own") func recycled() throws {
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        var producer = try ring.makeProducer()
        try producer.send("message", tag: 1)
        // Some that are given back; unless another test was faster, the next one lies where one of them did.
        for _ in 0..<4 {
            let before = try SPSCRing.anonymous(options: RingOptions(capacity: 4096)).makeConsumer()
            _ = consume before
        }
        var consumer = try ring.makeConsumer()
        let child = ts_split()
        if child == 0 {
            guard isForked({ () throws(RingError) in _ = try consumer.next() }) else { ts_leave(1) }
            guard consumer.reader.pointee.handedOut == LaneReader.nothingMore else { ts_leave(2) }
            // Given back here, and the child's own from now on.
            let place = consumer.reader
            do { _ = consume consumer }
            guard let own = try? SPSCRing.anonymous(options: RingOptions(capacity: 4096)), var sender = try? own.makeProducer(),
                var receiver = try? own.makeConsumer(), (try? sender.send("own", tag: 7)) != nil
            else { ts_leave(3) }
            guard receiver.reader == place, let tag = receiver.nextIfAvailable()?.tag, tag == 7 else { ts_leave(4) }
            ts_leave(0)
        }
        #expect(end(of: child) == 0)
        #expect(try consumer.next()?.tag == 1)
    }

    @Test("Endpoints that come and go while processes are forked") func concurrent() throws {
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        var producer = try ring.makeProducer()
        var consumer = try ring.makeConsumer()
        let turn = Turn()
        let begun = Turn()
        let worker = Worker {
            var count = 0
            while turn.value == 0 {
                let other = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
                var sender = try other.makeProducer()
                var receiver = try other.makeConsumer()
                try sender.send(value: count)
                guard receiver.nextIfAvailable()?.integer(as: Int.self) == count else { throw Patience.Exhausted() }
                count += 1
                begun.set(1)
            }
            return count
        }
        defer { turn.set(1) }
        #expect(begun.wait(for: 1))
        for number in UInt32(1)...40 {
            try producer.send("message", tag: number)
            let child = ts_split()
            if child == 0 {
                guard consumer.nextIfAvailable() == nil else { ts_leave(1) }
                guard isForked({ () throws(RingError) in _ = try producer.trySend([UInt8]()) }) else { ts_leave(2) }
                ts_leave(isForked { () throws(RingError) in _ = try consumer.poll() } ? 0 : 3)
            }
            #expect(end(of: child) == 0)
            #expect(try consumer.next(timeout: patience)?.tag == number)
        }
        turn.set(1)
        #expect(try worker.join() > 0)
    }
}
