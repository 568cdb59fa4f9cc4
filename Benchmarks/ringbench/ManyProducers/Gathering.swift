import CBench
import CSharedRing
import Glibc

/// The pages on which the processes of many producers agree when to begin, and write down what it cost. Not used while measuring.
///
/// The first 128 bytes are the consumer's (with the line of `lineUp`), each further 128 one process's: how often it arrived, and
/// its record.
final class Gathering {
    /// What a producer reports.
    struct Record {
        /// Ticks at its first measured message, and when its last was sent.
        var start: UInt64 = 0
        var end: UInt64 = 0
        var usage = cb_usage()
    }

    private static let width = 128
    private static let recordOffset = 64

    let descriptor: Int32
    private let memory: SharedMemory
    private var meetings: UInt32 = 0

    /// - Parameter descriptor: of an existing one; nil makes one.
    init(processes: Int, descriptor: Int32? = nil) throws {
        let size = UInt64((processes + 1) * Self.width)
        self.descriptor = try descriptor ?? succeeded(cb_memory(size, 0), "no memory to share")
        memory = try SharedMemory(self.descriptor)
    }

    deinit { close(descriptor) }

    private func word(_ row: Int) -> UnsafeMutablePointer<UInt32> { (memory.start + row * Self.width).assumingMemoryBound(to: UInt32.self) }

    func record(of process: Int) -> UnsafeMutablePointer<Record> {
        (memory.start + (process + 1) * Self.width + Self.recordOffset).assumingMemoryBound(to: Record.self)
    }

    /// The consumer's way: waits for those processes and lets them go on. One that fails instead ends it by its SIGCHLD.
    func callTogether(_ processes: Range<Int>) {
        meetings += 1
        for process in processes { Self.wait(word(process + 1), for: meetings) }
        sr_store_release_u32(word(0), meetings)
        cb_futex_wake_all(word(0))
    }

    /// A process's way.
    func meet(_ process: Int) {
        meetings += 1
        sr_store_release_u32(word(process + 1), meetings)
        cb_futex_wake(word(process + 1))
        Self.wait(word(0), for: meetings)
    }

    /// When the last of so many producers has come here, all go on at the same moment, as far as they have processors.
    func lineUp(_ producers: Int) {
        let line = memory.start + Self.recordOffset
        let target = (sr_fetch_add_acq_rel_u64(line, 1) / UInt64(producers) + 1) * UInt64(producers)
        for turn in 0... {
            if sr_load_acquire_u64(line) >= target { return }
            if turn < 10_000 { sr_pause() } else { sched_yield() }
        }
    }

    /// Not for long at the processor: others need it to arrive.
    private static func wait(_ word: UnsafeMutablePointer<UInt32>, for meetings: UInt32) {
        for _ in 0..<200 {
            if sr_load_acquire_u32(word) >= meetings { return }
            sr_pause()
        }
        while true {
            let seen = sr_load_acquire_u32(word)
            if seen >= meetings { return }
            cb_futex_wait(word, seen)
        }
    }
}
