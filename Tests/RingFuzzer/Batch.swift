import CSharedRing
import CTestSupport
import Glibc
import SharedRing

/// Work in a process of its own, watched.
struct Batch {
    enum Mode: String {
        case attach, running, broadcast, board, call
    }

    /// How long nothing may move. On a busy machine a single case may take a while; a hang takes for ever.
    private static let patience: Int64 = 20_000_000_000

    let mode: Mode
    let seed: UInt64
    /// Cases, or seconds.
    let amount: Int

    /// Whether it went well; if not, that is said.
    func run(into totals: inout Totals) -> Bool {
        let own = sr_memfd("untrusted")
        let inherited = sr_duplicate_for_user(own, 1)
        guard inherited >= 0, ftruncate(own, Tally.size) == 0,
            let memory = mmap(nil, Tally.size, PROT_READ | PROT_WRITE, MAP_SHARED, own, 0), memory != MAP_FAILED
        else { return complain("no memory for the counts", 0) }
        defer {
            munmap(memory, Tally.size)
            _ = sr_close(own)
        }
        let words = ["RingFuzzer", "batch", mode.rawValue, "\(seed)", "\(amount)", "\(inherited)", "\(getpid())"]
        var arguments = words.map { strdup($0) } + [nil]
        defer { arguments.forEach { free($0) } }
        var child: pid_t = 0
        let started = posix_spawn(&child, "/proc/self/exe", nil, nil, &arguments, environ)
        close(inherited)
        guard started == 0 else { return complain("no child: errno \(started)", 0) }
        let status = watch(child, memory)
        let failedCase = Tally(memory, slot: 0)[.seed]
        totals.add(memory)
        TestDirectory.remove(of: child)
        switch status {
        case 0: return true
        case nil: return complain("hung", failedCase)
        case let status? where status & 0x7f != 0: return complain("crashed with signal \(status & 0x7f)", failedCase)
        case let status?: return complain("ended with status \(status >> 8)", failedCase)
        }
    }

    private func complain(_ what: String, _ failedCase: UInt64) -> Bool {
        let again = mode == .attach ? "RingFuzzer case \(failedCase)" : "RingFuzzer batch \(mode.rawValue) \(seed) \(amount) -1 0"
        say("FAILED: a batch of \(mode) \(what). Again: \(again)")
        return false
    }

    /// The status of `waitpid`; nil if it did not move for too long.
    private func watch(_ child: pid_t, _ memory: UnsafeMutableRawPointer) -> Int32? {
        var last: [UInt64] = []
        var moved = sr_now_ns()
        while true {
            var status: Int32 = 0
            if waitpid(child, &status, WNOHANG) == child { return status }
            // In `running` the untrusted peer never stands still; its ends count too, and are bounded by the child itself.
            let now = [Tally.Count.cases, .mutations].map { Tally(memory, slot: 0)[$0] }
            if now != last {
                last = now
                moved = sr_now_ns()
            } else if sr_now_ns() - moved > Self.patience {
                kill(child, SIGKILL)
                waitpid(child, &status, 0)
                return nil
            }
            sr_sleep_ns(5_000_000)
        }
    }
}

extension Batch {
    /// The child's side: MODE SEED AMOUNT DESCRIPTOR PARENT. A negative descriptor: nothing is counted.
    struct Work {
        private let mode: Mode
        private let seed: UInt64
        private let amount: Int
        private let memory: UnsafeMutableRawPointer

        init?(_ words: ArraySlice<String>) {
            let words = Array(words)
            guard words.count == 5, let mode = Mode(rawValue: words[0]), let seed = UInt64(words[1]), let amount = Int(words[2]),
                let descriptor = Int32(words[3]), let parent = Int32(words[4])
            else { return nil }
            (self.mode, self.seed, self.amount) = (mode, seed, amount)
            let flags = descriptor < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED
            guard let memory = mmap(nil, Tally.size, PROT_READ | PROT_WRITE, flags, descriptor, 0), memory != MAP_FAILED else { return nil }
            self.memory = memory
            if parent != 0 { ts_die_with(parent) }
        }

        func run() throws(RingError) {
            switch mode {
            case .attach: try AttachBatch.run(seed: seed, cases: amount, tally: Tally(memory, slot: 0))
            case .board: try BoardBatch.run(seed: seed, cases: amount, tally: Tally(memory, slot: 0))
            case .call: try CallBatch.run(seed: seed, cases: amount, tally: Tally(memory, slot: 0))
            case .running: try RunningBatch.run(seed: seed, seconds: amount, memory: memory)
            case .broadcast: try BroadcastBatch.run(seed: seed, seconds: amount, memory: memory)
            }
        }
    }
}
