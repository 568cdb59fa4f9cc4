import BenchReport
import SharedRing

/// The processes of a case of `mpsc`, and their CPUs.
struct ManyProducers: Equatable {
    var setup: ManyProducersSetup
    /// The consumer's CPU, then those of the producers.
    var cpus: [Int]

    /// Where a producer runs. A consumer that begins when they are done needs no CPU meanwhile.
    func cpu(of producer: Int) -> Int {
        let places = setup.isSpread || setup.drainsAfter ? cpus[1...] + cpus[..<1] : cpus[1...]
        return places[places.startIndex + producer % places.count]
    }

    static func order(_ name: String) throws -> MPSCRing.Order {
        switch name {
        case "per-producer": .perProducer
        case "total": .total
        default: throw Misuse("--order is per-producer or total, not '\(name)'")
        }
    }

    /// How a peer gets it.
    var arguments: [String] {
        [
            "--producers", "\(setup.producers)", "--order", setup.orderName, "--lanes", "\(setup.lanes)", "--idle-lanes",
            "\(setup.idleLanes)", "--stopped", "\(setup.stopped)",
        ] + (setup.isSpread ? ["--spread"] : []) + (setup.drainsAfter ? ["--drain-after"] : [])
    }
}
