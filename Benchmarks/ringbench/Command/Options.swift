import BenchReport
import SharedRing

/// A wrong command line: one sentence, status 2.
struct Misuse: Error {
    let sentence: String
    init(_ sentence: String) { self.sentence = sentence }
}

/// What the command line says. Lists (`--size 8,64`) make one case of each value, measured in turn.
struct Options {
    /// nil: a suite.
    var mode: Mode?
    var isFull = false
    var transports: [TransportName] = []
    var sizes: [Int] = []
    var count: Int?
    var waits: [WaitStrategy] = [.adaptive]
    /// Empty until `place`, unless it was asked for.
    var cpus: [Int] = []
    var isOnSameCore = false
    var capacity: Int?
    var batch = 1
    private var wantedRepeats: Int?
    var alignment = 8
    var hugePages = false
    var json = false
    /// Where the page goes.
    var report: String?
    var help = false
    /// What only `mpsc` knows.
    var manyProducers = ManyProducersOptions()
    /// What default counts are divided by.
    var hurry = 1

    init(_ arguments: some Sequence<String>) throws {
        var words = arguments.makeIterator()
        while let word = words.next() {
            func value() throws -> String {
                guard let value = words.next() else { throw Misuse("\(word) needs a value") }
                return value
            }
            func number(_ range: ClosedRange<Int>) throws -> Int { try Self.number(value(), range, word) }

            switch word {
            case "--help", "-h", "help": help = true
            case "--full": isFull = true
            case "--report": report = try value()
            case "--same-core": isOnSameCore = true
            case "--json": json = true
            case "--huge-pages": hugePages = true
            case "--transport":
                transports = try Self.list(value()) { name in
                    guard let transport = TransportName(rawValue: name) else {
                        throw Misuse("there is no transport '\(name)'; there are \(Self.names(TransportName.self))")
                    }
                    return transport
                }
            case "--size": sizes = try Self.list(value()) { try Self.number($0, 1...(1 << 30), word) }
            case "--count": count = try number(1...(1 << 40))
            case "--wait":
                waits = try Self.list(value()) { name in
                    guard let wait = WaitStrategy(name: name) else {
                        throw Misuse("--wait is spin, adaptive or sleep, not '\(name)'")
                    }
                    return wait
                }
            case "--cpus":
                cpus = try Self.list(value()) { try Self.number($0, 0...1023, word) }
                guard cpus.count >= 2 else { throw Misuse("--cpus takes two numbers, as in 0,1") }
            case "--capacity": capacity = try number(4096...(1 << 40))
            case "--batch": batch = try number(1...65536)
            case "--repeats": wantedRepeats = try number(1...1000)
            case "--alignment":
                alignment = try number(8...128)
                guard alignment & (alignment - 1) == 0 else { throw Misuse("--alignment is a power of two, not \(alignment)") }
            case "--spread": manyProducers.isSpread = true
            case "--drain-after": manyProducers.drainsAfter = true
            case "--producers": manyProducers.producers = try Self.list(value()) { try Self.number($0, 1...1024, word) }
            case "--order": manyProducers.orders = try Self.list(value(), ManyProducers.order)
            case "--lanes": manyProducers.lanes = try Self.list(value()) { try Self.number($0, 0...1024, word) }
            case "--idle-lanes": manyProducers.idleLanes = try Self.list(value()) { try Self.number($0, 0...1023, word) }
            case "--stopped": manyProducers.stopped = try Self.list(value()) { try Self.number($0, 0...1023, word) }
            default:
                guard mode == nil, !word.hasPrefix("-"), let named = Mode(rawValue: word) else {
                    throw Misuse("'\(word)' is neither a mode (\(Self.names(Mode.self))) nor an option; see ringbench --help")
                }
                mode = named
            }
        }
        guard cpus.isEmpty || cpus.count == 2 || mode == .mpsc else { throw Misuse("--cpus takes two numbers, as in 0,1") }
        manyProducers.cpus = cpus
        if mode == nil { try checkSuite() } else if isFull { throw Misuse("--full is a suite of all modes: it goes without one") }
        try manyProducers.check(mode, sizes: sizes)
    }

    var repeats: Int { wantedRepeats ?? (isFull ? 5 : 3) }

    /// How long a suite may take. On a machine that others use it takes longer, and repeats less often.
    var budget: Duration? { mode == nil && wantedRepeats == nil ? (isFull ? .seconds(570) : .seconds(29)) : nil }

    private func checkSuite() throws {
        guard sizes.isEmpty, count == nil, batch == 1, waits == [.adaptive] else {
            throw Misuse("--size, --count, --batch and --wait belong to a mode; a suite has its own")
        }
    }

    private static func list<Value>(_ text: String, _ parse: (String) throws -> Value) throws -> [Value] {
        try text.split(separator: ",", omittingEmptySubsequences: false).map { try parse(String($0)) }
    }

    private static func number(_ text: String, _ range: ClosedRange<Int>, _ option: String) throws -> Int {
        guard let number = Int(text), range.contains(number) else {
            throw Misuse("\(option) takes a number from \(range.lowerBound) to \(range.upperBound), not '\(text)'")
        }
        return number
    }

    private static func names<T: RawRepresentable<String> & CaseIterable>(_: T.Type) -> String {
        T.allCases.map(\.rawValue).joined(separator: ", ")
    }
}
