import BenchReport
import CBench
import Glibc

/// This machine, as far as figures depend on it.
enum Machine {
    static let topology = Topology(read: SystemFile.read)
    private static let processor = ProcessorInfo(SystemFile.read("/proc/cpuinfo") ?? "")

    static func facts(_ cpus: [Int], _ ticks: Ticks) -> MachineFacts {
        let governors = Set(cpus.map { topology.governor(of: $0) ?? "not to be seen" }).sorted()
        let kernel = SystemFile.read("/proc/sys/kernel/osrelease")?.filter { !$0.isNewline } ?? "unknown"
        return MachineFacts(
            processor: processor.model, processors: "\(topology.online.count) CPUs, \(topology.coreCount) cores",
            caches: topology.relation(cpus[0], cpus[1]), governor: governors.joined(separator: ", "), virtualisation: virtualisation,
            kernel: "Linux \(kernel)", swift: swift, clock: clock(ticks))
    }

    private static func clock(_ ticks: Ticks) -> String {
        let source = topology.clockSource.map { "; the kernel's is \($0)" } ?? ""
        guard cb_counts_cycles() != 0 else { return "CLOCK_MONOTONIC" + source }
        return "cycle counter at one rate (invariant), \(decimal(ticks.perNanosecond, 3)) GHz, steps of \(ticks.step)" + source
    }

    private static var virtualisation: String {
        var name = [CChar](repeating: 0, count: 13)
        cb_hypervisor(&name)
        let signature = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let names = [
            "KVMKVMKVM": "KVM", "Microsoft Hv": "Hyper-V", "VMwareVMware": "VMware", "XenVMMXenVMM": "Xen",
            "TCGTCGTCGTCG": "QEMU (emulated)",
        ]
        if !signature.isEmpty { return "virtual machine (\(names[signature] ?? signature))" }
        return processor.isVirtual ? "virtual machine" : "none seen"
    }

    /// The compiler's own, since a program can't ask for it: the newest that this source knows.
    private static var swift: String {
        #if DEBUG
            let build = ", DEBUG BUILD: figures mean nothing"
        #else
            let build = ""
        #endif
        #if compiler(>=6.4)
            return "6.4 or later" + build
        #elseif compiler(>=6.3.1)
            return "6.3.1 or later" + build
        #else
            return "6.3 or earlier" + build
        #endif
    }

    /// Now, in UTC.
    static var date: String {
        var (seconds, parts) = (time(nil), tm())
        gmtime_r(&seconds, &parts)
        var text = [CChar](repeating: 0, count: 32)
        let length = strftime(&text, text.count, "%Y-%m-%d %H:%M UTC", &parts)
        return String(decoding: text.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    static var loadWarnings: [String] {
        guard let load = SystemFile.read("/proc/loadavg")?.split(separator: " ").first.flatMap({ Double($0) }),
            load > 0.5 * Double(topology.online.count)
        else { return [] }
        return ["the load average is \(decimal(load, 1)): somebody is, or was, busy here"]
    }
}
