import BenchReport

extension Options {
    /// Chooses the CPUs if the command line does not, and refuses those that make no sense.
    mutating func place(on topology: Topology) throws {
        if cpus.isEmpty { cpus = try defaultCPUs(topology) }
        if let objection = topology.objection(to: cpus) { throw Misuse("--cpus: \(objection)") }
        let isShared = cpus[1...].contains(cpus[0])
        guard !isShared || isOnSameCore else {
            throw Misuse(
                "--cpus \(cpus.map(String.init).joined(separator: ",")) puts both sides on one CPU; if that is meant, say --same-core")
        }
        if isShared { try checkSameCore() }
        manyProducers.cpus = cpus
    }

    private func defaultCPUs(_ topology: Topology) throws -> [Int] {
        let allowed = topology.allowed
        if isOnSameCore, let one = allowed.first { return [one, one] }
        guard let pair = topology.pair else {
            throw Misuse("two CPUs are needed, and this process may use \(CPUList.text(allowed)); see --same-core")
        }
        return mode == .mpsc ? pair + allowed.filter { !pair.contains($0) } : pair
    }

    /// Two sides on one CPU run in turns: one that spins, or waits for a due time, keeps the other from what it waits for.
    private func checkSameCore() throws {
        guard let mode, mode != .rate, mode != .burst else { throw Misuse("--same-core is for the modes rtt, throughput, idle and mpsc") }
        guard !waits.contains(.spin), !transports.contains(where: { $0.fixedWait == .spin }) else {
            throw Misuse("with --same-core nobody may spin: it would keep the other side from the CPU")
        }
    }

    /// What is odd about these CPUs, for people to know.
    func placementWarnings(_ topology: Topology) -> [String] {
        let (one, other) = (cpus[0], cpus[1])
        if one == other { return ["both sides share CPU \(one)"] }
        return topology.siblings(of: one).contains(other) ? ["CPUs \(one) and \(other) are threads of one core, and share what it has"] : []
    }
}
