import CBench
import CSharedRing
import Glibc

enum Side: Int32 {
    /// The process that was started by the user: it measures; in one-way modes it receives.
    case parent = 0
    /// The process that the parent started: it echoes or sends.
    case peer = 1
}

/// The page on which the two processes of a case agree when to begin and what it cost. Not used while measuring.
final class Exchange {
    let descriptor: Int32
    let page: UnsafeMutablePointer<cb_exchange>
    private let memory: SharedMemory
    private let side: Side
    private var meetings: UInt32 = 0

    init(descriptor: Int32, side: Side) throws {
        self.descriptor = descriptor
        self.side = side
        memory = try SharedMemory(descriptor)
        page = memory.start.assumingMemoryBound(to: cb_exchange.self)
    }

    convenience init() throws {
        try self.init(descriptor: succeeded(cb_memory(UInt64(MemoryLayout<cb_exchange>.size), 0), "no memory to share"), side: .parent)
    }

    deinit { close(descriptor) }

    /// Returns when both sides have come here equally often. A peer that fails instead ends the parent by its SIGCHLD.
    func meet() {
        meetings += 1
        let mine = cb_arrived(page, side.rawValue)
        let other = cb_arrived(page, 1 - side.rawValue)
        sr_store_release_u32(mine, meetings)
        cb_futex_wake(mine)
        while true {
            // Spins for a moment, so that in a spinning case neither side starts cold.
            for _ in 0..<100_000 {
                if sr_load_acquire_u32(other) >= meetings { return }
                sr_pause()
            }
            cb_futex_wait(other, meetings - 1)
        }
    }
}
