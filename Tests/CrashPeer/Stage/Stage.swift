import CSharedRing
import CTestSupport
import Foundation
import SharedRing

/// Everything around one traced process: a ring, all roles but its own, and the tracer's view of the segment.
final class Stage {
    struct Failure: Error, CustomStringConvertible { let description: String }

    let situation: Situation
    let directory: String
    let options: RingOptions
    let note: Note
    private(set) var ring: TestRing?

    /// MPSC: in lane 0, while the operation is about lane 1.
    var neighbour: Producer?
    /// Of the operation's lane, where the traced process is the consumer.
    var feeder: Producer?
    /// Where the traced process is a producer.
    var consumer: Receiver?

    private(set) var trace: OpaquePointer?
    private(set) var segment: UnsafeMutableRawPointer?
    private(set) var size: UInt64 = 0
    let image: UnsafeMutableRawPointer
    private var order: UInt32 = 0
    private var isUnderWay = false
    /// What the consumer took before it was put to sleep.
    fileprivate(set) var drainedBefore = ReceivedMessages()

    static let name = "ring"
    private static let largest = 1 << 16

    init(_ situation: Situation, in directory: String) throws {
        self.situation = situation
        self.directory = directory + "/stage"
        try? FileManager.default.removeItem(atPath: self.directory)
        mkdir(self.directory, 0o700)
        mkdir(CrashPeer.scratch(self.directory), 0o700)
        var options = RingOptions(capacity: Int(Situation.capacity))
        options.directory = self.directory
        options.barrier = situation.isSymmetric ? .symmetric : .asymmetric
        self.options = options
        unlink(directory + "/note")
        guard let note = Note(directory + "/note", create: true) else { throw Failure(description: "no note") }
        self.note = note
        image = .allocate(byteCount: Self.largest, alignment: 64)
        if situation.operation.side == .name {
            try setUpName()
        } else {
            try setUp()
        }
        try start(directory + "/note")
    }

    deinit {
        if let trace { ts_trace_kill(trace) }
        if let segment { munmap(segment, Int(size)) }
        image.deallocate()
        munmap(UnsafeMutableRawPointer(note.address), Int(Note.size))
        neighbour = nil
        feeder = nil
        consumer = nil
    }

    var path: String { directory + "/" + Self.name }

    // MARK: Before

    private func setUpName() throws {
        if ![.create, .openOrCreate].contains(situation.operation) { _ = try TestRing.create(Self.name, situation.shape, options) }
    }

    private func setUp() throws {
        let ring = try TestRing.create(Self.name, situation.shape, options)
        self.ring = ring
        var facts = stat()
        guard stat(path, &facts) == 0, facts.st_size <= Self.largest, let segment = ts_map_file(path, UInt64(facts.st_size), 0) else {
            throw Failure(description: "the segment can't be mapped")
        }
        self.segment = segment
        size = UInt64(facts.st_size)
        for lane in 0..<situation.shape.lanes {
            sr_store_relaxed_u64(sr_head(control(lane)), situation.first)
            sr_publish_checkpoint(control(lane), sr_checkpoint(tail: situation.first, messages: 0, bytes: 0, write_limit: situation.first))
            layOldLap(lane)
        }

        if situation.shape != .spsc { neighbour = try ring.makeProducer() }
        let lane = situation.shape.lane
        if situation.operation.side == .producer {
            if neighbour != nil { for _ in 0..<2 { try sendAsNeighbour() } }
            if situation.prior != .none {
                feeder = try ring.makeProducer()
                for _ in 0..<2 { try feed() }
                try endFeeder(inOrder: situation.prior == .closed)
            }
            consumer = try ring.makeReceiver(
                checkInterval: situation.hasSleeper && situation.shape == .total ? .milliseconds(50) : .seconds(60))
            return
        }

        feeder = try ring.makeProducer()
        note.life = .attached
        switch situation.fill {
        case .none: break
        case .few:
            for _ in 0..<3 {
                try feed()
                if neighbour != nil { try sendAsNeighbour() }
            }
        case .run, .nearly, .full: while feeder!.freeBytes >= 240 { try feed(200) }
        }
        switch situation.operation {
        case .readEnd:
            try endFeeder(inOrder: true)
            note.life = .closed
        case .readDeath, .noteDeath: try endFeeder(inOrder: false)
        case .clearTicketFloor:
            try sendAsNeighbour()
            try endFeeder(inOrder: false)
            sr_store_relaxed_u64(sr_ticket_floor(control(lane)), 0)
        default: break
        }
        if situation.prior != .none {
            let before = try ring.makeReceiver()
            if situation.prior == .closed { try before.close() }
        }
    }

    /// The lane as many laps have left it: wherever no terminator was written, something stands that looks like a record.
    private func layOldLap(_ lane: Int) {
        let data = segment! + Int(size) - Int(Situation.capacity) * (situation.shape.lanes - lane)
        for offset in stride(from: 0, to: Int(Situation.capacity), by: 8) {
            data.storeBytes(of: 0x0000_0007_8000_0010, toByteOffset: offset, as: UInt64.self)
        }
        data.storeBytes(of: 0, toByteOffset: Int(situation.first & (Situation.capacity - 1)), as: UInt64.self)
    }

    private func endFeeder(inOrder: Bool) throws {
        let ending = feeder.take()
        if inOrder, let ending { try ending.close() }
    }

    private var control: UnsafeMutablePointer<sr_lanes_control> {
        (segment! + Int(sr_page_size())).assumingMemoryBound(to: sr_lanes_control.self)
    }

    func control(_ lane: Int) -> UnsafeMutablePointer<sr_lane_control> { sr_lane(control, UInt32(lane)) }

    var isConsumerAsleep: Bool { sr_load_acquire_u32(sr_consumer_doorbell(sr_lanes_consumer(control))) != 0 }

    private func start(_ notePath: String) throws {
        let words = [
            CrashPeer.executable, "peer", situation.operation.rawValue, situation.shape.rawValue, situation.fill.rawValue, directory,
            Self.name, notePath, situation.isSymmetric ? "symmetric" : "asymmetric",
        ]
        var arguments = words.map { strdup($0) } + [nil]
        defer { arguments.forEach { free($0) } }
        guard let trace = ts_trace_start(CrashPeer.executable, &arguments) else { throw Failure(description: "it can't be started") }
        self.trace = trace
        isUnderWay = true
        try run()
        bring()
    }

    /// The image is what stands in the segment now.
    func bring() { if let segment { image.copyMemory(from: segment, byteCount: Int(size)) } }

    // MARK: Running

    /// At full speed to the next mark. The bound only ends a hang: the process shares its CPU with this one, and perhaps with others.
    func run(milliseconds: Int32 = 60_000) throws {
        let stop = ts_trace_run(trace!, milliseconds)
        guard stop == Int32(TS_MARK.rawValue) else { throw Failure(description: "it did not reach its mark: stop \(stop)") }
        if note.failed != 0 { throw Failure(description: "it met what must not be") }
    }

    /// To the next point.
    func advance() -> Stop { Stop(rawValue: UInt32(ts_trace_advance(trace!, segment, image, size))) ?? .failed }

    /// To the beginning or the end of the next system call.
    func advanceByCall() -> Stop { Stop(rawValue: UInt32(ts_trace_next_call(trace!))) ?? .failed }

    /// Over so many instructions.
    func skip(_ count: Int) -> Stop { Stop(rawValue: UInt32(ts_trace_skip(trace!, UInt64(count)))) ?? .failed }

    var instructions: UInt64 { ts_trace_instructions(trace!) }

    func kill() {
        if let trace { ts_trace_kill(trace) }
        trace = nil
    }

    var expected: Expected { Expected(situation, note) }

    // MARK: What the others do

    func feed(_ size: Int = NumberedMessage.smallest) throws {
        let lane = situation.shape.lane
        try note.send(&feeder!, lane: lane, order: nextOrder, size: size)
    }

    func sendAsNeighbour() throws { try note.send(&neighbour!, lane: 0, order: nextOrder) }

    private var nextOrder: UInt32 {
        order += 1
        return situation.operation.side == .producer && isUnderWay ? Situation.order(ofPeers: note.low(situation.shape.lane)) : order
    }

    /// What the tracer's consumer finds. All of it counts as acknowledged: a consumer that finds nothing more has stored its heads.
    @discardableResult
    func drain() -> ReceivedMessages {
        let received = consumer!.drain()
        for message in received.messages where message.lane < 2 { note.setUsed(Int(message.lane), message.number + 1) }
        note.setAcknowledged()
        return received
    }

    /// Lets a process that sleeps in its operation go on.
    func wakeUp() throws -> ReceivedMessages {
        switch situation.operation {
        case .waitForRoom: return drain()
        case .sleep: try feed()
        case .clearTicketFloor: break  // its check interval wakes it
        default: throw Failure(description: "it sleeps in \(situation.operation)")
        }
        return ReceivedMessages()
    }
}

extension Note {
    fileprivate func send(_ producer: inout Producer, lane: Int, order: UInt32, size: Int = NumberedMessage.smallest) throws {
        let message = NumberedMessage(lane: UInt32(lane), number: low(lane), order: order)
        begin(lane, through: message.number + 1, byteCount: size)
        guard try producer.trySend(message.bytes(size), tag: message.number) else {
            throw Stage.Failure(description: "lane \(lane) is full")
        }
        finish(lane)
    }
}

extension Stage {
    /// Its consumer falls asleep in another thread, if the situation asks for that.
    func putToSleep() throws -> Sleeping? {
        guard situation.hasSleeper, var receiver = consumer.take() else { return nil }
        // What was there before is out of the way, so that it does sleep.
        let before = receiver.drain()
        for message in before.messages { note.setUsed(Int(message.lane), message.number + 1) }
        note.setAcknowledged()
        // From now on it receives when it likes.
        for lane in 0..<2 { note.setUsed(lane, .max) }
        let sleeping = Sleeping(receiver)
        for _ in 0..<100_000 {
            if isConsumerAsleep { break }
            usleep(100)
        }
        bring()
        drainedBefore = before
        return sleeping
    }
}
