import Glibc
import SharedRing

/// Who takes part in a case of `mpsc`, beside the consumer.
struct Crowd: Equatable {
    /// How many send.
    var producers: Int
    /// The order of the ring. A pipe and a shared tail have one order for all, whether or not it is asked for.
    var isTotallyOrdered: Bool
    /// Of the ring; at least one for each that attaches.
    var lanes: Int
    /// How many are attached and silent.
    var idleLanes: Int
    /// How many are stopped in the middle of a claim.
    var stopped: Int
    /// The consumer's CPU, then those of the producers.
    var cpus: [Int]
    /// Whether producers use the consumer's CPU too.
    var isSpread: Bool

    /// Where a producer runs.
    func cpu(of producer: Int) -> Int {
        let places = isSpread ? cpus[1...] + cpus[..<1] : cpus[1...]
        return places[places.startIndex + producer % places.count]
    }

    var orderName: String { Self.name(isTotallyOrdered ? .total : .perProducer) }

    static func name(_ order: MPSCRing.Order) -> String {
        switch order {
        case .perProducer: "per-producer"
        case .total: "total"
        }
    }

    static func order(_ name: String) throws -> MPSCRing.Order {
        for order in [MPSCRing.Order.perProducer, .total] where self.name(order) == name { return order }
        throw Misuse("--order is per-producer or total, not '\(name)'")
    }

    /// How a peer is told.
    var arguments: [String] {
        [
            "--producers", "\(producers)", "--order", orderName, "--lanes", "\(lanes)", "--idle-lanes", "\(idleLanes)",
            "--stopped", "\(stopped)",
        ] + (isSpread ? ["--spread"] : [])
    }

    var jsonPairs: [String] {
        [
            "\"producers\":\(producers)", "\"order\":\"\(orderName)\"", "\"lanes\":\(lanes)", "\"idle_lanes\":\(idleLanes)",
            "\"stopped\":\(stopped)", "\"spread\":\(isSpread)",
        ]
    }
}

/// What the command line says about crowds.
struct CrowdOptions {
    var producers = [1, 2, 4, 16]
    var orders: [MPSCRing.Order] = [.perProducer, .total]
    var lanes = [0]
    var idleLanes = [0]
    var stopped = [0]
    var isSpread = false
    var cpus = Self.everyCPU

    private static var everyCPU: [Int] { Array(0..<max(2, sysconf(Int32(_SC_NPROCESSORS_ONLN)))) }

    var placement: String {
        let others = cpus[1...].map(String.init).joined(separator: ", ")
        return isSpread
            ? "consumer on CPU \(cpus[0]), producers on CPUs \(others) and, in turn, \(cpus[0])"
            : "consumer on CPU \(cpus[0]), producers on \(others), in turn"
    }

    func check(_ mode: Mode?, sizes: [Int]) throws {
        guard mode == .mpsc else { return }
        guard sizes.allSatisfy({ $0 >= 8 }) else { throw Misuse("a message of mpsc has at least 8 bytes, for its producer and its number") }
    }

    /// The cases of one transport. What a transport knows no difference of makes one case.
    func crowds(_ producers: Int, _ transport: TransportName) throws -> [Crowd] {
        let plain = Crowd(
            producers: producers, isTotallyOrdered: true, lanes: 1, idleLanes: 0, stopped: 0, cpus: cpus, isSpread: isSpread)
        guard transport == .ring else { return [plain] }
        var crowds: [Crowd] = []
        for order in orders {
            for idle in idleLanes {
                for stopped in stopped where stopped == 0 || order == .perProducer {
                    for wanted in lanes {
                        var crowd = plain
                        let attached = producers + idle + stopped
                        guard wanted == 0 || wanted >= attached, attached <= 1024 else {
                            throw Misuse("\(attached) producers need as many lanes, of 1,024 at most; --lanes was \(wanted)")
                        }
                        crowd.isTotallyOrdered = order == .total
                        crowd.lanes = wanted == 0 ? attached : wanted
                        crowd.idleLanes = idle
                        crowd.stopped = stopped
                        crowds.append(crowd)
                    }
                }
            }
        }
        return crowds
    }
}
