import BenchReport
import CBench
import Glibc

/// What others did to this machine during a run.
struct Disturbance {
    private let before = ProcessorTime(SystemFile.read("/proc/stat") ?? "")
    private let used = cb_cpu_ns_of_all()

    /// Warnings about the time since this was made.
    var warnings: [String] {
        guard let before, let after = ProcessorTime(SystemFile.read("/proc/stat") ?? "") else { return [] }
        return (after - before).warnings(own: Double(cb_cpu_ns_of_all() - used) / 1e9, ticksPerSecond: Double(sysconf(Int32(_SC_CLK_TCK))))
    }
}
