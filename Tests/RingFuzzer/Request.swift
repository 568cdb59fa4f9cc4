import CSharedRing

/// What the command line asks for.
struct Request {
    private var modes: [Batch.Mode]
    /// Of `attach`: how many.
    private var mutations: UInt64 = 1_000_000
    /// Of `running` and `broadcast`: how long each.
    private var seconds = 10
    private var seed: UInt64

    init?(_ arguments: [String]) {
        switch arguments.first {
        case "all": modes = [.attach, .board, .call, .running, .broadcast]
        case let word: modes = Batch.Mode(rawValue: word ?? "").map { [$0] } ?? []
        }
        seed = UInt64(bitPattern: sr_realtime_ns())
        guard !modes.isEmpty, arguments.count % 2 == 1 else { return nil }
        for place in stride(from: 1, to: arguments.count, by: 2) {
            guard let value = UInt64(arguments[place + 1]) else { return nil }
            switch arguments[place] {
            case "--mutations": mutations = value
            case "--seconds": seconds = Int(value)
            case "--seed": seed = value
            default: return nil
            }
        }
    }

    /// Whether all went well.
    func run() -> Bool {
        say("seed \(seed)")
        return modes.allSatisfy { mode in
            switch mode {
            case .attach: attach()
            case .board, .call: quarter(mode)
            case .running, .broadcast: running(mode)
            }
        }
    }

    private func attach() -> Bool {
        var totals = Totals()
        var seeds = Choices(seed: seed)
        while totals[.mutations] < mutations {
            let batch = Batch(mode: .attach, seed: seeds.word(), amount: 20_000)
            guard batch.run(into: &totals) else { return false }
        }
        say("attach: \(totals)")
        return true
    }

    /// A quarter of the mutations.
    private func quarter(_ mode: Batch.Mode) -> Bool {
        var totals = Totals()
        var seeds = Choices(seed: seed)
        while totals[.mutations] < mutations / 4 {
            let batch = Batch(mode: mode, seed: seeds.word(), amount: 2_000)
            guard batch.run(into: &totals) else { return false }
        }
        say("\(mode.rawValue): \(totals)")
        return true
    }

    private func running(_ mode: Batch.Mode) -> Bool {
        var totals = Totals()
        var seeds = Choices(seed: seed)
        let end = sr_now_ns() + Int64(seconds) * 1_000_000_000
        while sr_now_ns() < end {
            let batch = Batch(mode: mode, seed: seeds.word(), amount: 2)
            guard batch.run(into: &totals) else { return false }
        }
        say("\(mode.rawValue): \(totals)")
        return true
    }
}
