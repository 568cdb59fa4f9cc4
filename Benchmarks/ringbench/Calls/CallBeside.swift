import BenchReport
import CBench
import Glibc

/// One client and one server, both spinning and both asleep, beside two rings, pipes and Unix sockets there and back, and the floors.
struct CallBeside {
    private let options: Options
    private let suite: Suite
    private let isJSON: Bool

    /// - Parameter count: calls in a turn; nil: some tenths of a second.
    init(sizes: [Int], _ count: Int?, repeats: Int, isJSON: Bool) throws {
        self.isJSON = isJSON
        var options = try Options(["rtt", "--repeats", "\(repeats)"])
        options.count = count
        options.hurry = 3
        try options.place(on: Machine.topology)
        var cases: [Case] = []
        func add(_ transports: [TransportName], _ size: Int, _ wait: String) throws {
            for transport in transports {
                let test = Case(transport, .rtt, options: options, size: size, wait: .init(name: wait)!)
                if !cases.contains(test) { cases.append(test) }
            }
        }
        for size in sizes { try add([.line1, .call, .ring], size, "spin") }
        for size in sizes { try add([.futex, .call, .ring, .pipe, .unixStream], size, "sleep") }
        self.options = options
        suite = Suite(cases, options)
    }

    func perform() throws {
        cb_watch_children()
        // What follows waits for its processes itself.
        defer { signal(SIGCHLD, SIG_DFL) }
        let ticks = Ticks()
        let machine = Machine.facts(options.cpus, ticks)
        let disturbance = Disturbance()
        let outcomes = try suite.measure(ticks)
        let results = outcomes.map { $0.result(machine, date: Machine.date, warnings: disturbance.warnings) }
        if isJSON {
            for result in results { print(result.json) }
        } else {
            for line in TextTable.lines([Self.header] + results.filter { !$0.setup.transport.isFloor }.map { row($0, results) }) {
                print(line)
            }
        }
        for warning in disturbance.warnings { printError("warning: \(warning)") }
    }

    private static let header = ["there and back", "size", "wait", "p50 ns", "x floor", "x rings", "x pipe", "x unix-stream"]

    private func row(_ result: CaseResult, _ results: [CaseResult]) -> [String] {
        let setup = result.setup
        func ratio(_ name: TransportName, _ size: Int) -> String {
            // What always sleeps is compared with what sleeps.
            guard let other = results.first(where: { $0.setup.transport == name && $0.setup.size == size && $0.setup.wait == setup.wait })
            else {
                return "-"
            }
            return decimal(result.ratio(to: other), 2)
        }
        let floor: TransportName = setup.wait == "sleep" ? .futex : .line1
        return [
            setup.transport.rawValue, "\(setup.size)", setup.wait, decimal(result.headline, 0), ratio(floor, 8), ratio(.ring, setup.size),
            ratio(.pipe, setup.size), ratio(.unixStream, setup.size),
        ]
    }
}
