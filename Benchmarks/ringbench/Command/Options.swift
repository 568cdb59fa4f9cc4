import Glibc
import SharedRing

/// A wrong command line: one sentence, status 2.
struct Misuse: Error {
    let sentence: String
    init(_ sentence: String) { self.sentence = sentence }
}

/// What the command line says. Lists (`--size 8,64`) make one case of each value, measured in turn.
struct Options {
    var mode: Mode?
    var transports: [TransportName] = []
    var sizes: [Int] = []
    var count: Int?
    var waits: [WaitStrategy] = [.adaptive]
    var cpus = [0, 1]
    var capacity: Int?
    var batch = 1
    var repeats = 3
    var alignment = 8
    var hugePages = false
    var json = false
    var help = false
    /// What only `mpsc` knows.
    var crowd = CrowdOptions()
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
            case "--help", "-h": help = true
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
                crowd.cpus = cpus
                guard cpus.count >= 2 else { throw Misuse("--cpus takes two numbers, as in 0,1") }
            case "--capacity": capacity = try number(4096...(1 << 40))
            case "--batch": batch = try number(1...65536)
            case "--repeats": repeats = try number(1...1000)
            case "--alignment":
                alignment = try number(8...128)
                guard alignment & (alignment - 1) == 0 else { throw Misuse("--alignment is a power of two, not \(alignment)") }
            case "--spread": crowd.isSpread = true
            case "--producers": crowd.producers = try Self.list(value()) { try Self.number($0, 1...1024, word) }
            case "--order": crowd.orders = try Self.list(value(), Crowd.order)
            case "--lanes": crowd.lanes = try Self.list(value()) { try Self.number($0, 0...1024, word) }
            case "--idle-lanes": crowd.idleLanes = try Self.list(value()) { try Self.number($0, 0...1023, word) }
            case "--stopped": crowd.stopped = try Self.list(value()) { try Self.number($0, 0...1023, word) }
            default:
                guard mode == nil, !word.hasPrefix("-"), let named = Mode(rawValue: word) else {
                    throw Misuse("'\(word)' is neither a mode (\(Self.names(Mode.self))) nor an option; see ringbench --help")
                }
                mode = named
            }
        }
        guard cpus.count == 2 || mode == .mpsc else { throw Misuse("--cpus takes two numbers, as in 0,1") }
        try crowd.check(mode, sizes: sizes)
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

    static let help = """
        ringbench: what SharedRing's rings cost beside other ways from process to process.

            ringbench                   a short survey of everything, under 30 s
            ringbench MODE [options]

        Modes
            rtt          round trips, one message at a time
            rate         100,000 messages a second, each due at a fixed time; latency from the due time, one way
            throughput   as many messages as will go, one way
            burst        1,000 messages due at once every 10 ms; latency from the due time, one way
            idle         one message due every 100 ms; what its receiver burns meanwhile, and how late it is
            mpsc         as throughput, of several producers, each a process of its own, into one consumer

        Transports   ring pipe unix-stream unix-seqpacket tcp posix-mq eventfd (rtt, 8 bytes)
                     mpsc: ring, pipe with several writers, shared-tail (slots that producers take by adding to one counter)
        Floors       line1 line2   rtt of one cache line written by both sides in turn, of one each way; 8 bytes, spinning
                     futex         rtt of a bare wait and wake each way
                     stream        throughput: copy in, hand over, copy out, in 16 KiB chunks

        Options (lists, as in --size 8,64, make one case of each value; all cases of a run are measured in turn, repeatedly)
            --transport NAME             default: all that know the mode
            --size BYTES                 of a message; default 64, stream 16384
            --count MESSAGES             measured in each repeat; default: some tenths of a second
            --wait spin|adaptive|sleep   of the ring; default adaptive. Kernel objects always sleep, lines always spin
            --cpus A,B                   of the measuring process (in one-way modes the receiver) and of the peer; default 0,1
            --capacity BYTES             of the ring and other buffers; default 4 MiB for throughput, else 1 MiB
            --batch N                    messages per call, in throughput; default 1
            --repeats N                  default 3; figures are medians, max the largest
            --alignment BYTES            of the ring's records; default 8
            --huge-pages                 not yet
            --producers N                mpsc: default 1,2,4,16
            --order per-producer|total   mpsc, of the ring; default both
            --lanes N                    mpsc: lanes of the ring; default 0, as many as producers attach
            --idle-lanes N               mpsc: further producers that are attached and silent
            --stopped N                  mpsc: further producers that are stopped in the middle of a claim; per-producer order
            --cpus A,B,...               mpsc: the consumer on A, producers on the others in turn; default all there are
            --spread                     mpsc: producers on all those CPUs in turn, A being the last
            --json                       one JSON object a case on standard output, the rest on standard error
        """
}
