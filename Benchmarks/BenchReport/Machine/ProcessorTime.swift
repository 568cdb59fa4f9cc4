/// What /proc/stat counts, over all CPUs: how much of the machine others use.
package struct ProcessorTime: Equatable {
    /// In ticks of the kernel's accounting.
    package var busy: Int
    package var stolen: Int
    package var total: Int

    /// nil if the text is not /proc/stat.
    package init?(_ stat: String) {
        guard let line = stat.split(separator: "\n").first, line.hasPrefix("cpu ") else { return nil }
        let ticks = line.split(separator: " ").dropFirst().compactMap { Int($0) }
        // user nice system idle iowait irq softirq steal; guest time is in user time already.
        guard ticks.count >= 8 else { return nil }
        busy = ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6]
        stolen = ticks[7]
        total = ticks[..<8].reduce(0, +)
    }

    private init(busy: Int, stolen: Int, total: Int) { (self.busy, self.stolen, self.total) = (busy, stolen, total) }

    package static func - (after: ProcessorTime, before: ProcessorTime) -> ProcessorTime {
        ProcessorTime(busy: after.busy - before.busy, stolen: after.stolen - before.stolen, total: after.total - before.total)
    }

    /// Which other processes used this machine in that time, if it was enough to matter.
    ///
    /// - Parameter own: seconds of processor time that the measurement itself used.
    package func warnings(own: Double, ticksPerSecond: Double) -> [String] {
        guard total > 0 else { return [] }
        let foreign = (Double(busy) / ticksPerSecond - own) / (Double(total) / ticksPerSecond)
        let stolen = Double(stolen) / Double(total)
        var warnings: [String] = []
        if foreign > 0.03 {
            warnings.append("others used \(decimal(foreign * 100, 0)) % of the processors meanwhile: figures may be too bad")
        }
        if stolen > 0.01 {
            warnings.append("the hypervisor took \(decimal(stolen * 100, 0)) % of the processors away: figures may be too bad")
        }
        return warnings
    }
}
