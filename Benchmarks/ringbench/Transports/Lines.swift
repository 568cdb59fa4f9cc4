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
struct TwoLines: MessageSender, MessageReceiver, ~Copyable {
    private let memory: SharedMemory
    private let sending: UnsafeMutableRawPointer
    private let receiving: UnsafeMutableRawPointer

    init(_ descriptor: Int32, _ test: Case, _ side: Side) throws {
        memory = try SharedMemory(descriptor)
        // 256 bytes apart, so that no prefetcher takes them for a pair.
        sending = memory.start + (side == .parent ? 0 : 256)
        receiving = memory.start + (side == .parent ? 256 : 0)
    }

    mutating func send(_ first: UInt64, count: Int) throws { sr_store_release_u64(sending, first &+ 1) }

    mutating func receive(_ first: UInt64, limit: Int) throws -> Int {
        spin(until: first &+ 1, in: receiving)
        return 1
    }
}

/// The spin loop of SharedRing's `Sleeper`.
@inline(__always)
func spin(until value: UInt64, in word: UnsafeMutableRawPointer) {
    while sr_load_acquire_u64(word) != value { sr_pause() }
}
