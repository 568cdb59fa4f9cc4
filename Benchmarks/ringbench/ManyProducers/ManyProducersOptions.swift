import BenchReport
import SharedRing

/// What the command line says about many producers.
struct ManyProducersOptions {
    var producers = [1, 2, 4, 16]
    var orders: [MPSCRing.Order] = [.perProducer, .total]
    var lanes = [0]
    var idleLanes = [0]
    var stopped = [0]
    var isSpread = false
    var drainsAfter = false
    var cpus: [Int] = []

    var placement: String {
        let others = cpus[1...].map(String.init).joined(separator: ", ")
        if drainsAfter { return "producers on CPUs \(others), \(cpus[0]), in turn; the consumer, on \(cpus[0]), begins when they are done" }
        return isSpread
            ? "consumer on CPU \(cpus[0]), producers on CPUs \(others) and, in turn, \(cpus[0])"
            : "consumer on CPU \(cpus[0]), producers on \(others), in turn"
    }

    func check(_ mode: Mode?, sizes: [Int]) throws {
        guard mode == .mpsc else { return }
        guard sizes.allSatisfy({ $0 >= 8 }) else { throw Misuse("a message of mpsc has at least 8 bytes, for its producer and its number") }
        guard !drainsAfter || stopped == [0] else { throw Misuse("--drain-after and --stopped don't go together") }
    }

    func serves(_ transport: TransportName, _ producers: Int) -> Bool {
        switch transport {
        case .spsc: producers == 1
        // What a pipe holds is not enough to time.
        case .pipe: !drainsAfter
        default: transport.serves(.mpsc)
        }
    }

    /// The cases of one transport. What a transport knows no difference of makes one case.
    func variants(_ producers: Int, _ transport: TransportName) throws -> [ManyProducers] {
        let plain = ManyProducersSetup(
            producers: producers, isTotallyOrdered: transport != .spsc, lanes: 1, idleLanes: 0, stopped: 0, isSpread: isSpread,
            drainsAfter: drainsAfter)
        guard transport == .ring else { return [ManyProducers(setup: plain, cpus: cpus)] }
        var variants: [ManyProducers] = []
        for order in orders {
            for idle in idleLanes {
                for stopped in stopped where stopped == 0 || order == .perProducer {
                    for wanted in lanes {
                        var setup = plain
                        let attached = producers + idle + stopped
                        guard attached <= 1024, wanted == 0 || wanted >= attached else {
                            throw Misuse("\(attached) producers need as many lanes, of 1,024 at most; --lanes was \(wanted)")
                        }
                        setup.isTotallyOrdered = order == .total
                        setup.lanes = wanted == 0 ? attached : wanted
                        setup.idleLanes = idle
                        setup.stopped = stopped
                        variants.append(ManyProducers(setup: setup, cpus: cpus))
                    }
                }
            }
        }
        return variants
    }
}
