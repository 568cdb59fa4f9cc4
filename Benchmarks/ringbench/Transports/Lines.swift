import CSharedRing

/// The floor of a spinning round trip: one cache line that both sides write in turn.
///
/// Number n goes there as 2n + 1 and back as 2n + 2.
struct OneLine: MessageSender, MessageReceiver, ~Copyable {
    private let memory: SharedMemory
    private let sent: UInt64
    private let expected: UInt64

    init(_ descriptor: Int32, _ test: Case, _ side: Side) throws {
        memory = try SharedMemory(descriptor)
        sent = side == .parent ? 1 : 2
        expected = 3 - sent
    }

    mutating func send(_ first: UInt64, count: Int) throws { sr_store_release_u64(memory.start, 2 &* first &+ sent) }

    mutating func receive(_ first: UInt64, limit: Int) throws -> Int {
        spin(until: 2 &* first &+ expected, in: memory.start)
        return 1
    }
}

/// The same with a line each way, which is how a pair of rings does it.
///
/// How long a line takes depends on where in the shared cache it has its place, twofold and more. A ring's messages go through
/// thousands of lines; so this goes on to another pair after some hundred exchanges.
struct TwoLines: MessageSender, MessageReceiver, ~Copyable {
    private let memory: SharedMemory
    private let side: Side
    private var sending: UnsafeMutableRawPointer
    private var receiving: UnsafeMutableRawPointer

    /// The memory that is used: 128 pairs.
    static let size = 1 << 16

    init(_ descriptor: Int32, _ test: Case, _ side: Side) throws {
        memory = try SharedMemory(descriptor)
        self.side = side
        (sending, receiving) = (memory.start, memory.start)
        choose(0)
    }

    private mutating func choose(_ number: UInt64) {
        let pair = memory.start + Int(number >> 8 &* 512) % Self.size
        // 256 bytes apart, so that no prefetcher takes them for one.
        (sending, receiving) = side == .parent ? (pair, pair + 256) : (pair + 256, pair)
    }

    mutating func send(_ first: UInt64, count: Int) throws {
        if first & 255 == 0 { choose(first) }
        sr_store_release_u64(sending, first &+ 1)
    }

    mutating func receive(_ first: UInt64, limit: Int) throws -> Int {
        if first & 255 == 0 { choose(first) }
        spin(until: first &+ 1, in: receiving)
        return 1
    }
}

/// The spin loop of SharedRing's `Sleeper`.
@inline(__always)
func spin(until value: UInt64, in word: UnsafeMutableRawPointer) {
    while sr_load_acquire_u64(word) != value { sr_pause() }
}
