/// What /proc/cpuinfo says of the first processor.
package struct ProcessorInfo: Equatable {
    package var model = "unknown processor"
    package var flags: Set<Substring> = []

    package init(_ cpuinfo: String) {
        for line in cpuinfo.split(separator: "\n", omittingEmptySubsequences: false) {
            // A blank line ends the first processor.
            if line.isEmpty { break }
            guard let colon = line.firstIndex(of: ":") else { continue }
            let value = line[line.index(after: colon)...].drop { $0 == " " }
            switch line[..<colon].prefix(while: { $0 != "\t" }) {
            case "model name": model = String(value)
            case "CPU part" where model == "unknown processor": model = "ARM part \(value)"
            case "flags", "Features": flags = Set(value.split(separator: " "))
            default: break
            }
        }
    }

    package var isVirtual: Bool { flags.contains("hypervisor") }
    /// Whether the cycle counter keeps its rate in all states of the processor.
    package var hasInvariantCounter: Bool { flags.isSuperset(of: ["constant_tsc", "nonstop_tsc"]) }
}
