import CSharedRing
import Glibc

/// The floor of a spinning round trip: one cache line that both sides write in turn.
///
/// Number n goes there as 2n + 1 and back as 2n + 2.
struct OneLine: MessageSender, MessageReceiver, ~Copyable {
    private let word: UnsafeMutableRawPointer
    private let sent: UInt64
    private let expected: UInt64

    init(_ descriptor: Int32, _ test: Case, _ side: Side) throws {
        word = try mapShared(descriptor, 4096)
        sent = side == .parent ? 1 : 2
        expected = 3 - sent
    }

    deinit { munmap(word, 4096) }

    mutating func send(_ first: UInt64, count: Int) throws { sr_store_release_u64(word, 2 &* first &+ sent) }

    mutating func receive(_ first: UInt64, limit: Int) throws -> Int {
        spin(until: 2 &* first &+ expected, in: word)
        return 1
    }
}

/// The same with a line each way, which is how a pair of rings does it.
struct TwoLines: MessageSender, MessageReceiver, ~Copyable {
    private let page: UnsafeMutableRawPointer
    private let sending: UnsafeMutableRawPointer
    private let receiving: UnsafeMutableRawPointer

    init(_ descriptor: Int32, _ test: Case, _ side: Side) throws {
        page = try mapShared(descriptor, 4096)
        // 256 bytes apart, so that no prefetcher takes them for a pair.
        sending = page + (side == .parent ? 0 : 256)
        receiving = page + (side == .parent ? 256 : 0)
    }

    deinit { munmap(page, 4096) }

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
