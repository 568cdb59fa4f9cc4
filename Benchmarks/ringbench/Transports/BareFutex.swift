import CBench
import CSharedRing

/// The floor of a sleeping round trip: a word each way, a futex wake and a futex wait, and nothing else.
struct BareFutex: MessageSender, MessageReceiver, ~Copyable {
    private let memory: SharedMemory
    private let sending: UnsafeMutablePointer<UInt32>
    private let receiving: UnsafeMutablePointer<UInt32>

    init(_ descriptor: Int32, _ test: Case, _ side: Side) throws {
        memory = try SharedMemory(descriptor)
        sending = (memory.start + (side == .parent ? 0 : 256)).assumingMemoryBound(to: UInt32.self)
        receiving = (memory.start + (side == .parent ? 256 : 0)).assumingMemoryBound(to: UInt32.self)
    }

    mutating func send(_ first: UInt64, count: Int) throws {
        sr_store_release_u32(sending, UInt32(truncatingIfNeeded: first &+ 1))
        cb_futex_wake(sending)
    }

    mutating func receive(_ first: UInt64, limit: Int) throws -> Int {
        while sr_load_acquire_u32(receiving) != UInt32(truncatingIfNeeded: first &+ 1) {
            cb_futex_wait(receiving, UInt32(truncatingIfNeeded: first))
        }
        return 1
    }
}
