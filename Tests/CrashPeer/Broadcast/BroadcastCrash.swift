import CSharedRing
import CTestSupport
import Foundation
import SharedRing

/// A broadcast's operation, one instruction at a time. At each point where the memory has changed, or around a system call, all processes are taken to be
/// killed: what stands in the memory then is made a ring of its own, and tried. At some points the traced process really is killed, and the others go on.
struct BroadcastCrash {
    struct Failure: Error, CustomStringConvertible { let description: String }

    let operation: BroadcastOperation
    let isSymmetric: Bool
    let directory: String

    var name: String { "broadcast/\(operation)" + (isSymmetric ? "/symmetric" : "") }

    static func all(in directory: String) -> [BroadcastCrash] {
        BroadcastOperation.allCases.map { BroadcastCrash(operation: $0, isSymmetric: false, directory: directory) }
            + [.publishOpening, .join, .leave].map { BroadcastCrash(operation: $0, isSymmetric: true, directory: directory) }
    }

    private static let quick = EndpointOptions(checkInterval: .milliseconds(1))

    private func options(_ place: String) -> RingOptions {
        var options = RingOptions(capacity: 4096)
        options.directory = directory + "/" + place
        options.barrier = isSymmetric ? .symmetric : .asymmetric
        return options
    }

    /// All roles but the traced process's.
    private struct Others: ~Copyable {
        let ring: BroadcastRing
        var publisher: Producer?
        /// It has acknowledged the first 10 messages, and nothing more.
        var witness: Subscriber
    }

    private func makeOthers() throws -> Others {
        for place in ["stage", "image"] {
            try? FileManager.default.removeItem(atPath: directory + "/" + place)
            mkdir(directory + "/" + place, 0o700)
        }
        mkdir(CrashPeer.scratch(directory + "/stage"), 0o700)
        let ring = try BroadcastRing.create("ring", subscribers: BroadcastPeer.subscribers, options: options("stage"))
        var witness = try ring.makeSubscriber(acknowledgement: .manual, waiting: .sleep, options: Self.quick)
        var publisher = try ring.makePublisher(waiting: .sleep, options: Self.quick)
        for number in 0..<UInt64(10) { try publisher.send(BroadcastPeer.message(number), timeout: .zero) }
        guard witness.drain({ _ in }) == 10 else { throw Failure(description: "the witness did not get the first messages") }
        try witness.acknowledge()
        for number in 10..<UInt64(20) { try publisher.send(BroadcastPeer.message(number), timeout: .zero) }
        if operation.isOfKnown {
            var durable = try comer(ring)
            guard durable.drain(limit: Int(BroadcastPeer.acknowledged), { _ in }) == Int(BroadcastPeer.acknowledged) else {
                throw Failure(description: "the durable one did not get the first messages")
            }
            // It ends as if it were killed.
            try durable.acknowledge()
        }
        if operation.isPublisher {
            try publisher.close()
            return Others(ring: ring, publisher: nil, witness: witness)
        }
        return Others(ring: ring, publisher: publisher, witness: witness)
    }

    private func comer(_ ring: BroadcastRing) throws(RingError) -> Subscriber {
        try ring.makeSubscriber(
            .durable, as: BroadcastPeer.name, from: .oldest, acknowledgement: .manual, waiting: .sleep, options: Self.quick)
    }

    /// The durable subscriber, and its next message's number.
    private struct NextSubscriber: ~Copyable {
        var subscriber: Subscriber
        var next: UInt64
    }

    /// The durable subscriber comes back: it goes on where it had acknowledged, unless it was being removed.
    private func comeBack(_ ring: BroadcastRing) throws -> NextSubscriber {
        let subscriber = try comer(ring)
        let (isResumed, next) = (subscriber.isResumed, subscriber.sentBefore.messages)
        switch operation {
        case .resume, .leaveDurable:
            guard isResumed, next == BroadcastPeer.acknowledged else {
                throw Failure(description: "the durable one begins with message \(next), resumed: \(isResumed)")
            }
        case .removeDurable:
            guard !isResumed || next == BroadcastPeer.acknowledged else {
                throw Failure(description: "a durable one that was being removed begins with message \(next)")
            }
        default: break
        }
        return NextSubscriber(subscriber: subscriber, next: next)
    }

    private func start() throws -> OpaquePointer {
        let words = [
            CrashPeer.executable, "broadcast-peer", operation.rawValue, directory + "/stage", isSymmetric ? "symmetric" : "asymmetric",
        ]
        var arguments = words.map { strdup($0) } + [nil]
        defer { arguments.forEach { free($0) } }
        guard let trace = ts_trace_start(CrashPeer.executable, &arguments) else { throw Failure(description: "it can't be started") }
        let stop = ts_trace_run(trace, 60_000)
        guard stop == Int32(TS_MARK.rawValue) else { throw Failure(description: "it did not reach its mark: stop \(stop)") }
        return trace
    }

    /// - Parameter isFull: kills at every point instead of some.
    func run(isFull: Bool) -> Outcome {
        var outcome = Outcome()
        do {
            try images(&outcome)
            let few = isFull ? outcome.points : min(outcome.points, 3)
            for index in 0..<few where outcome.problems.isEmpty {
                let point = isFull ? index : outcome.points * (2 * index + 1) / (2 * few)
                try live(killedAt: point)
                outcome.kills += 1
            }
        } catch {
            outcome.problems.append("\(error)")
        }
        return outcome
    }

    // MARK: Images

    private func images(_ outcome: inout Outcome) throws {
        let others = try makeOthers()
        let path = directory + "/stage/ring"
        var facts = stat()
        guard stat(path, &facts) == 0, let segment = ts_map_file(path, UInt64(facts.st_size), 0) else {
            throw Failure(description: "the segment can't be mapped")
        }
        let size = Int(facts.st_size)
        defer { munmap(segment, size) }
        let trace = try start()
        defer { ts_trace_kill(trace) }
        let image = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 64)
        defer { image.deallocate() }
        image.copyMemory(from: segment, byteCount: size)
        try judge(image, size)
        points: while true {
            let stop = ts_trace_advance(trace, segment, image, UInt64(size))
            switch UInt32(stop) {
            case TS_CHANGED.rawValue: outcome.changes += 1
            case TS_CALLING.rawValue, TS_CALLED.rawValue: outcome.calls += 1
            case TS_MARK.rawValue: break points
            default: throw Failure(description: "stop \(stop) in the operation")
            }
            do {
                try judge(image, size)
                outcome.images += 1
            } catch {
                throw Failure(description: "changed, after \(ts_trace_instructions(trace)) instructions: \(error)")
            }
        }
        outcome.instructions = ts_trace_instructions(trace)
        withExtendedLifetime(others) {}
    }

    /// A ring of its own, with this memory.
    private func place(_ image: UnsafeMutableRawPointer, _ size: Int) throws -> BroadcastRing {
        try SegmentImage.write(UnsafeRawBufferPointer(start: image, count: size), to: directory + "/image/ring")
        return try BroadcastRing.open("ring", options: options("image"))
    }

    /// Everybody is dead. What is there must be whole, and whoever comes next must be able to go on.
    private func judge(_ image: UnsafeMutableRawPointer, _ size: Int) throws {
        let ring = try place(image, size)
        let options = options("image")
        let check = try RingCheck("ring", options: options)
        guard check.damage.isEmpty else { throw Failure(description: "damaged: \(check.damage[0].detail)") }
        let committed = try RingStatistics("ring", options: options).lanes[0].messages

        // What the witness has not acknowledged is still there, whole.
        let control = image.advanced(by: Int(sr_page_size()))
        let head = control.load(fromByteOffset: Int(sr_subscriber_offset(0)), as: UInt64.self)
        try walk(image.advanced(by: size - 4096), from: head, to: committed)

        // The next publisher counts on, and waits for none of the dead.
        var publisher = try ring.makePublisher(waiting: .sleep, options: Self.quick)
        var subscriber = try ring.makeSubscriber(from: .oldest, waiting: .sleep, options: Self.quick)
        var expected = subscriber.sentBefore.messages
        try receive(&subscriber, &expected, to: committed)
        if operation.isDurable {
            var durable = try comeBack(ring)
            try receive(&durable.subscriber, &durable.next, to: committed)
            for number in committed..<(committed + 120) {
                try publisher.send(BroadcastPeer.message(number), timeout: .seconds(20))
                try receive(&subscriber, &expected, to: number + 1)
                try receive(&durable.subscriber, &durable.next, to: number + 1)
                try durable.subscriber.acknowledge()
            }
        } else {
            for number in committed..<(committed + 120) {
                try publisher.send(BroadcastPeer.message(number), timeout: .seconds(20))
                try receive(&subscriber, &expected, to: number + 1)
            }
        }
        let counted = try RingStatistics("ring", options: options).lanes[0].messages
        guard counted == committed + 120 else { throw Failure(description: "\(counted) messages are counted, not \(committed + 120)") }
    }

    /// Each message to that number, whole and in order.
    private func receive(_ subscriber: inout Subscriber, _ expected: inout UInt64, to end: UInt64) throws {
        while expected < end {
            let bytes: [UInt8]
            do throws(RingError) {
                guard let message = try subscriber.next(timeout: .seconds(20)) else { continue }
                bytes = message.array
            } catch {
                if error.code == .peerDied { continue }
                throw error
            }
            guard BroadcastPeer.number(bytes) == expected else { throw Failure(description: "another message came than \(expected)") }
            expected += 1
        }
    }

    /// From the head of one that holds it: each message to the last that is committed.
    private func walk(_ data: UnsafeMutableRawPointer, from head: UInt64, to committed: UInt64) throws {
        var position = head
        for number in 10..<committed {
            var bits = data.load(fromByteOffset: Int(position & 4095), as: UInt64.self)
            while bits & 0xffff_ffff == SR_RECORD_PRESENT | UInt64(SR_RECORD_END) {
                position &+= 8
                bits = data.load(fromByteOffset: Int(position & 4095), as: UInt64.self)
            }
            let bytes = (0..<UInt64(48)).map { data.load(fromByteOffset: Int((position &+ 8 &+ $0) & 4095), as: UInt8.self) }
            guard bits & UInt64(SR_RECORD_COUNT_MASK) == 48, BroadcastPeer.number(bytes) == number else {
                throw Failure(description: "what the witness holds was written over: no message \(number) stands at \(position)")
            }
            position &+= 56
        }
    }

    // MARK: Live

    /// The traced process is killed at a point, and the others go on.
    private func live(killedAt point: Int) throws {
        var others = try makeOthers()
        let path = directory + "/stage/ring"
        var facts = stat()
        guard stat(path, &facts) == 0, let segment = ts_map_file(path, UInt64(facts.st_size), 0) else {
            throw Failure(description: "the segment can't be mapped")
        }
        let size = Int(facts.st_size)
        defer { munmap(segment, size) }
        let trace = try start()
        let image = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 64)
        defer { image.deallocate() }
        image.copyMemory(from: segment, byteCount: size)
        for _ in 0..<point {
            let stop = ts_trace_advance(trace, segment, image, UInt64(size))
            if [TS_MARK.rawValue, TS_ENDED.rawValue].contains(UInt32(stop)) { break }
        }
        ts_trace_kill(trace)

        let committed = try RingStatistics("ring", options: options("stage")).lanes[0].messages
        var publisher = try others.publisher.take() ?? others.ring.makePublisher(waiting: .sleep, options: Self.quick)
        var expected: UInt64 = 10
        if operation.isDurable {
            var durable = try comeBack(others.ring)
            for number in committed..<(committed + 120) {
                try receive(&others.witness, &expected, to: number)
                try others.witness.acknowledge()
                try receive(&durable.subscriber, &durable.next, to: number)
                try durable.subscriber.acknowledge()
                try publisher.send(BroadcastPeer.message(number), timeout: .seconds(20))
            }
            return
        }
        for number in committed..<(committed + 120) {
            while expected < number {
                let bytes: [UInt8]
                do throws(RingError) {
                    guard let message = try others.witness.next(timeout: .seconds(20)) else { continue }
                    bytes = message.array
                } catch {
                    if error.code == .peerDied { continue }
                    throw error
                }
                guard BroadcastPeer.number(bytes) == expected else {
                    throw Failure(description: "killed at point \(point): the witness got another message than \(expected)")
                }
                expected += 1
            }
            try others.witness.acknowledge()
            try publisher.send(BroadcastPeer.message(number), timeout: .seconds(20))
        }
    }
}
