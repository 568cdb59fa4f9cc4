import CSharedRing
import Glibc
import SharedRing

/// Many cases of `call`: an untrusted peer writes into a call service, and clients, servers and onlookers get data or an error.
enum CallBatch {
    static func run(seed: UInt64, cases: Int, tally: Tally) throws(RingError) {
        TestDirectory.make()
        let victims = [
            try CallVictim("small", capacity: 48), try CallVictim("large", capacity: 300),
            try CallVictim("streams", capacity: 64, streams: 256),
        ]
        var seeds = Choices(seed: seed)
        for _ in 0..<cases {
            let seed = seeds.word()
            tally[.seed] = seed
            var choices = Choices(seed: seed)
            var one = CallCase(victims[choices.below(victims.count)], choices, tally)
            one.run()
        }
    }
}

/// A service whose file is also mapped beside the library, as an untrusted peer has it, and the state that it is put back into.
final class CallVictim {
    let name: String
    let options: RingOptions
    let capacity: Int
    let segment: MappedSegment

    static let clients: UInt32 = 3
    static let servers: UInt32 = 2

    let streams: Int

    init(_ name: String, capacity: Int, streams: Int = 0) throws(RingError) {
        var options = RingOptions()
        options.directory = TestDirectory.directory(of: getpid())
        _ = try CallService.create(
            name,
            shape: CallService.Shape(
                clients: Int(Self.clients), servers: Int(Self.servers), requestCapacity: capacity, replyCapacity: capacity,
                streamCapacity: streams),
            options: options)
        self.name = name
        self.options = options
        self.capacity = capacity
        self.streams = streams
        segment = MappedSegment(name, options)
    }
}

extension CallVictim {
    /// A word of a slot's lane for streams.
    func record(_ slot: Int, _ word: Int) -> UnsafeMutableRawPointer {
        let areas = 2 * Int(sr_call_area(UInt32(capacity)))
        let page = Int(sr_page_size())
        // Not from the header, which may have been written into.
        let controlSize = Int(sr_stream_offset(Self.servers, Self.clients, Self.clients))
        return segment.control + (controlSize + page - 1) / page * page + slot * (areas + streams) + areas + 8 * word
    }
}

/// One service that an untrusted peer writes into, before and between all that honest processes do.
struct CallCase {
    private let victim: CallVictim
    private var choices: Choices
    private let tally: Tally

    init(_ victim: CallVictim, _ choices: Choices, _ tally: Tally) {
        self.victim = victim
        self.choices = choices
        self.tally = tally
    }

    mutating func run() {
        victim.segment.restore()
        for _ in 0..<choices.below(3) { mutate() }
        do throws(RingError) {
            try play(try CallService.open(victim.name, options: victim.options))
        } catch {
            tally.add(.refused)
        }
        tally.add(.cases)
    }

    // MARK: The untrusted peer

    private static func word<Root, Value>(_ path: KeyPath<Root, Value>) -> (Int, Int) { MappedSegment.word(path) }

    private static let header = [
        word(\sr_header.call.slot_count), word(\sr_header.call.server_count), word(\sr_header.call.request_capacity),
        word(\sr_header.call.reply_capacity), word(\sr_header.call.data_size), word(\sr_header.total_size), word(\sr_header.data_offset),
        word(\sr_header.kind), word(\sr_header.required_features), word(\sr_header.call.stream_capacity),
    ]
    private static let stream = [
        word(\sr_stream_control.tail), word(\sr_stream_control.tail), word(\sr_stream_control.head), word(\sr_stream_control.head),
        word(\sr_stream_control.stop), word(\sr_stream_control.room_word),
    ]
    private static let line = [
        word(\sr_call_line.request), word(\sr_call_line.request), word(\sr_call_line.reply), word(\sr_call_line.reply),
        word(\sr_call_line.token_slot),
    ]
    private static let caller = [
        word(\sr_caller_control.claim), word(\sr_caller_control.claim), word(\sr_caller_control.doorbell), word(\sr_caller_control.epoch),
        word(\sr_caller_control.cancel),
    ]

    /// As often as not a word that makes sense.
    private mutating func value() -> UInt64 {
        switch choices.below(8) {
        case 0: choices.word()
        case 1: .max - UInt64(choices.below(300))
        case 2: 1 << UInt64(choices.below(64))
        case 3...5: sr_call_word(UInt32(choices.below(6)), UInt32(choices.below(9)), UInt32(choices.below(400)))
        case 6: sr_call_claim_word(UInt32(choices.below(6)), sr_call_starter(UInt32(choices.below(4)), UInt32(choices.below(8))))
        default: choices.below(2) == 0 ? UInt64(choices.below(8)) : UInt64(choices.below(60)) * 8
        }
    }

    private mutating func mutate() {
        tally.add(.mutations)
        let segment = victim.segment
        let control = segment.control
        let slot = UInt32(choices.below(Int(CallVictim.clients)))
        let (place, size): (UnsafeMutableRawPointer, Int)
        switch choices.below(victim.streams > 0 ? 18 : 12) {
        case 12...15:
            let (offset, count) = Self.stream[choices.below(Self.stream.count)]
            (place, size) = (control + Int(sr_stream_offset(CallVictim.servers, CallVictim.clients, slot)) + offset, count)
        case 16, 17: (place, size) = (victim.record(Int(slot), choices.below(victim.streams / 8)), 8)
        case 0:
            let (offset, count) = Self.header[choices.below(Self.header.count)]
            (place, size) = (segment.base + offset, count)
        case 1...5:
            let (offset, count) = Self.line[choices.below(Self.line.count)]
            (place, size) = (control + Int(sr_call_line_offset(CallVictim.servers, CallVictim.clients, slot)) + offset, count)
        case 6...8:
            let (offset, count) = Self.caller[choices.below(Self.caller.count)]
            (place, size) = (control + Int(sr_caller_offset(CallVictim.servers, slot)) + offset, count)
        case 9: (place, size) = (control + Int(sr_server_offset(UInt32(choices.below(2)))), 4)
        case 10: (place, size) = (control + MemoryLayout<sr_call_control>.offset(of: \.slots_used)! + 8 * choices.below(16), 8)
        default: (place, size) = (segment.base + choices.below(segment.size / 8) * 8, 8)
        }
        segment.store(value(), size, at: place, &choices)
    }

    // MARK: Honest processes

    private mutating func attempt(_ body: (inout Choices) throws(RingError) -> Void) {
        do throws(RingError) { try body(&choices) } catch { tally.add(error.code == .poisoned ? .poisoned : .failures) }
    }

    private mutating func play(_ service: CallService) throws(RingError) {
        tally.add(.opened)
        let tally = tally
        let victim = victim
        var client: CallClient?
        var server: CallServer?
        var held: [DeferredCall] = []
        var stream: CallStream?
        var writer: CallStreamWriter?
        let options = EndpointOptions(checkInterval: .microseconds(1))
        for _ in 0..<(6 + choices.below(30)) {
            switch choices.below(victim.streams > 0 ? 18 : 12) {
            case 0...3: mutate()
            case 4:
                attempt { choices throws(RingError) in
                    client = try service.makeClient(slots: 1 + choices.below(3), waiting: .sleep, options: options)
                    tally.add(.attached)
                }
            case 5:
                server = nil
                attempt { _ throws(RingError) in
                    server = try service.makeServer(waiting: .sleep, options: options)
                    tally.add(.attached)
                }
            case 6, 7:
                guard let client else { continue }
                let request = [UInt8](repeating: 7, count: choices.below(victim.capacity + 2))
                do throws(CallError) {
                    let reply = try client.call(request, timeout: .microseconds(choices.below(50)))
                    tally.add(.bytes, reply.array.count)
                    tally.add(.received)
                } catch {
                    tally.add(error.reason.code == .poisoned ? .poisoned : .failures)
                }
            case 8, 9:
                guard var one = server.take() else { continue }
                attempt { choices throws(RingError) in
                    guard let request = try one.nextIfAvailable() else { return }
                    tally.add(.bytes, request.array.count)
                    _ = (request.token, request.isGivenUp)
                    if request.wantsStream, choices.below(4) > 0 {
                        writer = try request.stream()
                        return
                    }
                    switch choices.below(4) {
                    case 0: held.append(request.deferred())
                    case 1: try request.refuse("no")
                    default: try request.reply([UInt8](repeating: 3, count: choices.below(victim.capacity + 2)))
                    }
                    tally.add(.sent)
                }
                if choices.below(4) > 0 { server = consume one } else { one.close() }
            case 10:
                guard let call = held.popLast() else { continue }
                attempt { choices throws(RingError) in
                    guard call.wantsStream, choices.below(4) > 0 else { return try call.reply("late") }
                    writer = try call.stream()
                }
            case 12, 13:
                attempt { choices throws(RingError) in
                    stream = nil
                    guard let client else { return }
                    do throws(CallError) {
                        stream = try client.stream([UInt8](repeating: 5, count: 8), timeout: .microseconds(choices.below(50)))
                    } catch { throw error.reason }
                }
            case 14, 15:
                guard var one = stream.take() else { continue }
                do throws(CallError) {
                    let isMore = choices.below(2) == 0 ? try one.nextIfAvailable() : try one.next()
                    if isMore == true {
                        tally.add(.bytes, one.array.count)
                        tally.add(.received)
                    }
                    if isMore != false { stream = consume one }
                } catch {
                    tally.add(error.reason.code == .poisoned ? .poisoned : .failures)
                }
            case 16, 17:
                guard var one = writer.take() else { continue }
                attempt { choices throws(RingError) in
                    let part = [UInt8](repeating: 9, count: choices.below(122))
                    if choices.below(2) == 0 {
                        _ = try one.trySend(part)
                    } else {
                        try one.send(part, timeout: .microseconds(choices.below(50)))
                    }
                    tally.add(.sent)
                }
                if choices.below(8) > 0 { writer = consume one }
            default:
                tally.add(.inspected)
                attempt { _ throws(RingError) in _ = try RingReport(victim.name, options: victim.options) }
                attempt { _ throws(RingError) in tally.add(.damages, try RingCheck(victim.name, options: victim.options).damage.count) }
            }
        }
    }
}
