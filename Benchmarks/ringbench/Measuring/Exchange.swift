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
    private let side: Side
    private var meetings: UInt32 = 0

    init(descriptor: Int32, side: Side) throws {
        self.descriptor = descriptor
        self.side = side
        page = try mapShared(descriptor, MemoryLayout<cb_exchange>.size).assumingMemoryBound(to: cb_exchange.self)
    }

    convenience init() throws {
        try self.init(descriptor: succeeded(cb_memory(UInt64(MemoryLayout<cb_exchange>.size)), "no memory to share"), side: .parent)
    }

    deinit {
        munmap(page, MemoryLayout<cb_exchange>.size)
        close(descriptor)
    }

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

/// Maps memory of another process, with every page touched.
func mapShared(_ descriptor: Int32, _ size: Int) throws -> UnsafeMutableRawPointer {
    let address = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED | Int32(MAP_POPULATE), descriptor, 0)
    guard let address, address != MAP_FAILED else { throw Failure("shared memory can't be mapped: errno \(errno)") }
    return address
}
