/// Which CPUs there are, and what they share, as /sys and /proc say.
package struct Topology: Sendable {
    package struct Cache: Equatable {
        package var level: Int
        package var holdsData: Bool
        package var bytes: Int
        package var cpus: [Int]

        package var name: String { "L\(level)" }
    }

    /// Reads a file of the system; nil if there is none.
    private let read: @Sendable (String) -> String?

    package init(read: @escaping @Sendable (String) -> String?) { self.read = read }

    private static let system = "/sys/devices/system/cpu"

    private func word(_ path: String) -> String? {
        read(path).map { String($0.prefix { !$0.isNewline }) }.flatMap { $0.isEmpty ? nil : $0 }
    }

    package var online: [Int] { read("\(Self.system)/online").flatMap { CPUList.parse($0) } ?? [] }

    /// What this process's affinity and its cgroup let it use.
    package var allowed: [Int] {
        for line in (read("/proc/self/status") ?? "").split(separator: "\n") where line.hasPrefix("Cpus_allowed_list:") {
            return CPUList.parse(line.dropFirst("Cpus_allowed_list:".count)) ?? online
        }
        return online
    }

    /// The hardware threads of this CPU's core, itself among them.
    package func siblings(of cpu: Int) -> [Int] {
        read("\(Self.system)/cpu\(cpu)/topology/thread_siblings_list").flatMap { CPUList.parse($0) } ?? [cpu]
    }

    package var coreCount: Int { Set(online.map { siblings(of: $0) }).count }

    package func caches(of cpu: Int) -> [Cache] {
        (0..<8).compactMap { index in
            let place = "\(Self.system)/cpu\(cpu)/cache/index\(index)"
            guard let level = word("\(place)/level").flatMap({ Int($0) }), let kind = word("\(place)/type"),
                let bytes = word("\(place)/size").flatMap(Self.size),
                let cpus = read("\(place)/shared_cpu_list").flatMap({ CPUList.parse($0) })
            else { return nil }
            return Cache(level: level, holdsData: kind != "Instruction", bytes: bytes, cpus: cpus)
        }
    }

    /// "48K".
    private static func size(_ text: String) -> Int? {
        guard let unit = text.last else { return nil }
        switch unit {
        case "K": return Int(text.dropLast()).map { $0 << 10 }
        case "M": return Int(text.dropLast()).map { $0 << 20 }
        default: return Int(text)
        }
    }

    /// The nearest cache that both use: where their messages cross.
    package func sharedCache(_ one: Int, _ other: Int) -> Cache? {
        caches(of: one).filter { $0.holdsData && $0.cpus.contains(other) }.min { $0.level < $1.level }
    }

    package func governor(of cpu: Int) -> String? { word("\(Self.system)/cpu\(cpu)/cpufreq/scaling_governor") }
    package var clockSource: String? { word("/sys/devices/system/clocksource/clocksource0/current_clocksource") }

    /// Two CPUs to measure on when none were chosen: on different cores if there are two, with a cache in common if there is one.
    package var pair: [Int]? {
        let allowed = allowed
        guard let first = allowed.first, allowed.count > 1 else { return nil }
        func distance(_ cpu: Int) -> Int {
            siblings(of: first).contains(cpu) ? 100 : sharedCache(first, cpu)?.level ?? 50
        }
        return [first, allowed.dropFirst().min { distance($0) < distance($1) }!]
    }

    /// Why these CPUs are unfit to measure on; nil if they are fit.
    package func objection(to cpus: [Int]) -> String? {
        let online = online
        for cpu in cpus {
            if !online.isEmpty && !online.contains(cpu) { return "there is no CPU \(cpu): online are \(CPUList.text(online))" }
            if !allowed.contains(cpu) { return "this process may not use CPU \(cpu), only \(CPUList.text(allowed))" }
        }
        return nil
    }

    /// "CPUs 0 and 1 share the L3 (32 MiB); each has 48 KiB L1, 1 MiB L2".
    package func relation(_ one: Int, _ other: Int) -> String {
        if one == other { return "both sides on CPU \(one)" }
        let own = caches(of: one).filter { $0.holdsData && !$0.cpus.contains(other) }.sorted { $0.level < $1.level }
            .map { "\(byteCount($0.bytes)) \($0.name)" }
        let each = own.isEmpty ? "" : "; each has \(own.joined(separator: ", "))"
        let threads = siblings(of: one).contains(other) ? "are threads of one core and " : ""
        guard let cache = sharedCache(one, other) else { return "CPUs \(one) and \(other) \(threads)share no cache" + each }
        return "CPUs \(one) and \(other) \(threads)share the \(cache.name) (\(byteCount(cache.bytes)))" + each
    }
}
