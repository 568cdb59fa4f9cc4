import Glibc
import SharedRing

/// Many cases of `attach`.
enum AttachBatch {
    static func run(seed: UInt64, cases: Int, tally: Tally) throws(RingError) {
        let victims = try AttachCase.victims()
        var seeds = Choices(seed: seed)
        for _ in 0..<cases {
            let seed = seeds.word()
            tally[.seed] = seed
            var one = AttachCase(victims, Choices(seed: seed), tally: tally)
            one.run()
        }
    }

    static func replay(_ seed: UInt64) throws(RingError) {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: Tally.size, alignment: 8)
        memory.initializeMemory(as: UInt8.self, repeating: 0, count: Tally.size)
        var one = AttachCase(try AttachCase.victims(), Choices(seed: seed), tally: Tally(memory, slot: 0), isVerbose: true)
        one.run()
        var totals = Totals()
        totals.add(memory)
        say("\(totals)")
    }
}
