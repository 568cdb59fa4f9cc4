import CSharedRing
import Glibc
import SharedRing
import Synchronization

/// A broadcast whose publisher and subscribers work in their own threads, while an untrusted peer writes into the same memory, and into the one or the other's words.
enum BroadcastBatch {
    static func run(seed: UInt64, seconds: Int, memory: UnsafeMutableRawPointer) throws(RingError) {
        let end = sr_now_ns() + Int64(seconds) * 1_000_000_000
        var choices = Choices(seed: seed)
        TestDirectory.make()
        while sr_now_ns() < end {
            let running = try RunningBroadcast(seed: choices.word(), memory: memory)
            running.run()
        }
    }
}

/// A quarter of a second of it.
private final class RunningBroadcast: Sendable {
    private static let slots = 4
    private static let options = EndpointOptions(checkInterval: .milliseconds(1))

    private let ring: BroadcastRing
    nonisolated(unsafe) private let base: UnsafeMutableRawPointer
    private let size: Int
    private let controlOffset: Int
    private let dataOffset: Int
    private let name: String
    private let ringOptions: RingOptions
    private let fresh: [UInt8]
    private let threads: LiveThreads

    init(seed: UInt64, memory: UnsafeMutableRawPointer) throws(RingError) {
        threads = LiveThreads(seed: seed, memory: memory)
        var options = RingOptions(capacity: 4096)
        options.directory = TestDirectory.directory(of: getpid())
        options.barrier = seed & 1 == 0 ? .symmetric : .automatic
        options.recordAlignment = seed & 2 == 0 ? 8 : 64
        let name = "broadcast"
        self.name = name
        ringOptions = options
        unlink(options.directory + "/" + name)
        ring = try BroadcastRing.create(name, subscribers: Self.slots, options: options)
        let file = Glibc.open(options.directory + "/" + name, O_RDWR | O_CLOEXEC)
        defer { close(file) }
        var header = sr_header()
        guard pread(file, &header, MemoryLayout<sr_header>.size, 0) == MemoryLayout<sr_header>.size else { fatalError("no header") }
        size = Int(header.total_size)
        guard let map = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0), map != MAP_FAILED else { fatalError("no map") }
        base = map
        controlOffset = Int(header.control_offset)
        dataOffset = Int(header.data_offset)
        fresh = [UInt8](UnsafeRawBufferPointer(start: map, count: size))
    }

    deinit { munmap(base, size) }

    func run() {
        threads.start(0) { [self] in disturb(&$0, $1) }
        threads.start(1) { [self] in publish(&$0, $1) }
        threads.start(2) { [self] in subscribe(&$0, $1, .reliable) }
        threads.start(3) { [self] in subscribe(&$0, $1, $0.once(in: 2) ? .reliable : .durable) }
        threads.start(4) { [self] in subscribe(&$0, $1, $0.once(in: 2) ? .lossy : .softGated) }
        threads.start(5) { [self] in lookOn(&$0, $1) }
        threads.join("a broadcast")
    }

    // MARK: The untrusted peer

    /// Where words stand that are believed: of all, of the publisher, of a slot.
    private func word(_ choices: inout Choices) -> (offset: Int, size: Int) {
        let checkpoints = MemoryLayout<sr_broadcast_control>.offset(of: \.checkpoints)!
        switch choices.below(15) {
        case 12:  // the length of a name, and whether its subscriber is durable
            let offset = [
                MemoryLayout<sr_subscriber_control>.offset(of: \.name_length)!, MemoryLayout<sr_subscriber_control>.offset(of: \.durable)!,
            ]
            return (Int(sr_subscriber_offset(UInt32(choices.below(Self.slots)))) + offset[choices.below(2)], 4)
        case 14:
            return (
                Int(sr_subscriber_offset(UInt32(choices.below(Self.slots)))) + MemoryLayout<sr_subscriber_control>.offset(of: \.soft)!, 4
            )
        case 13:
            let name = MemoryLayout<sr_subscriber_control>.offset(of: \.name)!
            return (Int(sr_subscriber_offset(UInt32(choices.below(Self.slots)))) + name + 4 * choices.below(2), 4)
        case 0: return (MemoryLayout<sr_broadcast_control>.offset(of: \.events)!, 4)
        case 1: return (MemoryLayout<sr_broadcast_control>.offset(of: \.slots_used)! + 8 * choices.below(4), 8)
        case 2: return (MemoryLayout<sr_broadcast_control>.offset(of: \.checkpoint_turn)!, 8)
        case 3...5: return (checkpoints + 8 * choices.below(64), 8)
        case 6:
            let offset = [
                MemoryLayout<sr_lane_control>.offset(of: \.producer_epoch)!, MemoryLayout<sr_lane_control>.offset(of: \.space_doorbell)!,
            ]
            return (Int(sr_publisher_offset()) + offset[choices.below(2)], 4)
        case 7...9: return (Int(sr_subscriber_offset(UInt32(choices.below(Self.slots)))), 8)
        default: return (Int(sr_subscriber_offset(UInt32(choices.below(Self.slots)))) + 8 + 4 * choices.below(2), 4)
        }
    }

    private func value(_ choices: inout Choices) -> UInt64 {
        let control = (base + controlOffset).assumingMemoryBound(to: sr_broadcast_control.self)
        let turn = sr_load_relaxed_u64(sr_broadcast_turn(control))
        let checkpoint = base + controlOffset + MemoryLayout<sr_broadcast_control>.offset(of: \.checkpoints)! + Int(turn % 16) * 32
        let tail = sr_load_relaxed_u64(checkpoint)
        switch choices.below(10) {
        case 0: return 0
        case 1: return .max
        case 2: return choices.word()
        case 3: return UInt64(1) << UInt64(choices.below(64))
        case 4...6: return tail &+ UInt64(choices.below(64)) &* 8
        case 7: return tail &- UInt64(choices.below(600)) &* 8
        case 8: return tail &+ 4096 &- UInt64(choices.below(40))
        default: return UInt64(choices.below(300))
        }
    }

    private func mutate(_ choices: inout Choices, _ tally: Tally) {
        tally.add(.mutations)
        let value = value(&choices)
        switch choices.below(8) {
        case 0...3:
            let (offset, size) = word(&choices)
            if size == 8 {
                sr_store_relaxed_u64(base + controlOffset + offset, value)
            } else {
                sr_store_relaxed_u32(base + controlOffset + offset, UInt32(truncatingIfNeeded: value))
            }
        case 4, 5:  // a record's header
            let count = [0, 8, 40, 4072, 4073, 0x7fff_fffe, 0x7fff_ffff][choices.below(7)]
            let bits = choices.once(in: 3) ? value : UInt64(SR_RECORD_PRESENT) | UInt64(count) | value << 32
            sr_store_relaxed_u64(base + dataOffset + 8 * choices.below(512), choices.once(in: 4) ? 0 : bits)
        case 6:
            (base + controlOffset + choices.below(size - controlOffset)).storeBytes(of: UInt8(truncatingIfNeeded: value), as: UInt8.self)
        default:  // forwards, in small steps: what is forged and looks alive
            let control = (base + controlOffset).assumingMemoryBound(to: sr_broadcast_control.self)
            sr_store_relaxed_u64(sr_broadcast_turn(control), sr_load_relaxed_u64(sr_broadcast_turn(control)) &+ 1)
        }
    }

    /// A burst; then, mostly, a pause, or the ends would never get as far as to work.
    private func disturb(_ choices: inout Choices, _ tally: Tally) {
        for _ in 0...choices.below(32) { mutate(&choices, tally) }
        if choices.once(in: 3) {
            fresh.withUnsafeBytes {
                (base + controlOffset).copyMemory(from: $0.baseAddress! + controlOffset, byteCount: size - controlOffset)
            }
        }
        if choices.below(4) > 0 { sr_sleep_ns(Int64(choices.below(50_000))) }
    }

    // MARK: Honest ends

    private func seated<End: ~Copyable>(_ tally: Tally, _ make: () throws(RingError) -> End) -> End? {
        do throws(RingError) {
            let end = try make()
            tally.add(.attached)
            return end
        } catch {
            tally.add(.turnedAway)
            return nil
        }
    }

    private func publish(_ choices: inout Choices, _ tally: Tally) {
        guard var publisher = seated(tally, { () throws(RingError) in try ring.makePublisher(options: Self.options) }) else { return }
        let actions = Actions(tally: tally, disturb: { _ in })
        for _ in 0...choices.below(200) where !threads.isOver {
            actions.act(&publisher, &choices)
            if choices.once(in: 16) {
                do throws(RingError) { try publisher.waitForSubscribers(choices.below(5), timeout: .zero) } catch { actions.failed(error) }
            }
        }
        guard choices.once(in: 2) else { return }
        do throws(RingError) { try publisher.close() } catch { actions.failed(error) }
    }

    private func subscribe(_ choices: inout Choices, _ tally: Tally, _ delivery: Subscriber.Delivery) {
        let start: Subscriber.Start = [.now, .oldest, .last(choices.below(200))][choices.below(3)]
        let acknowledgement: Acknowledgement = choices.once(in: 3) ? .manual : .automatic
        // Few names, so that they meet. A durable one is removed sometimes, or the publishers would do nothing but wait for it.
        let name: String? = delivery == .durable || delivery == .reliable && choices.once(in: 2) ? ["a", "b"][choices.below(2)] : nil
        if choices.once(in: 2) {
            do throws(RingError) { try ring.removeSubscriber(named: "a") } catch { tally.add(.turnedAway) }
        }
        guard
            var subscriber = seated(
                tally,
                { () throws(RingError) in
                    try ring.makeSubscriber(
                        delivery, as: name, from: start, acknowledgement: acknowledgement, timeout: .milliseconds(20), options: Self.options
                    )
                })
        else { return }
        let actions = Actions(tally: tally, disturb: { _ in })
        for _ in 0...choices.below(200) where !threads.isOver { actions.act(&subscriber, &choices) }
        guard choices.once(in: 2) else { return }
        do throws(RingError) { try subscriber.close() } catch { actions.failed(error) }
    }

    private func lookOn(_ choices: inout Choices, _ tally: Tally) {
        let inspector = Inspector(name, options: ringOptions, tally: tally)
        for _ in 0...choices.below(50) where !threads.isOver { inspector.act(&choices) }
    }
}
