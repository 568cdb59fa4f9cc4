import BenchReport
import SharedRing

extension TransportName {
    /// How it waits whatever is asked for; nil if that is a choice. Kernel objects block: their reader sleeps.
    var fixedWait: WaitStrategy? {
        switch self {
        case .ring, .spsc, .call: nil
        case .bareRing, .line1, .line2, .stream: .spin
        case .sharedTail: .adaptive
        default: .sleep
        }
    }

    var isRing: Bool { self == .ring || self == .spsc }

    /// Whether it lies in memory of ours, which huge pages could hold.
    var isOfSharedMemory: Bool {
        switch self {
        case .ring, .spsc, .sharedTail, .bareRing, .line1, .line2, .futex, .stream: true
        default: false
        }
    }
}

extension WaitStrategy {
    init?(name: String) {
        switch name {
        case "spin": self = .spin
        case "adaptive": self = .adaptive
        case "sleep": self = .sleep
        default: return nil
        }
    }

    var name: String {
        switch self {
        case .spin: "spin"
        case .adaptive: "adaptive"
        case .sleep: "sleep"
        }
    }
}

/// One thing to measure: what was asked for, as it applies to this transport.
struct Case: Equatable {
    var transport: TransportName
    var mode: Mode
    var size: Int
    var count: Int
    var wait: WaitStrategy
    var cpus: [Int]
    var capacity: Int
    var batch: Int
    var alignment: Int
    var hugePages: Bool
    /// Mode `mpsc` only.
    var manyProducers: ManyProducers?

    init(_ transport: TransportName, _ mode: Mode, options: Options, size: Int?, wait: WaitStrategy, manyProducers: ManyProducers? = nil) {
        self.transport = transport
        self.mode = mode
        self.size = transport.fixedSize ?? size ?? (transport == .stream ? 16384 : 64)
        self.wait = transport.fixedWait ?? wait
        cpus = manyProducers?.cpus ?? options.cpus
        capacity = options.capacity ?? (mode == .throughput || mode == .mpsc ? 4 << 20 : 1 << 20)
        batch = transport.takesBatches && (mode == .throughput || mode == .mpsc) ? options.batch : 1
        alignment = options.alignment
        hugePages = options.hugePages && transport.isOfSharedMemory
        self.manyProducers = manyProducers
        count = 0
        count = options.count ?? max(defaultCount / options.hurry, 1)
    }

    /// The round trip of two lines, just long enough to tell near from far.
    init(canaryOf options: Options) {
        var options = options
        options.count = 20_000
        self.init(.line2, .rtt, options: options, size: 8, wait: .spin)
    }

    /// Enough for the high percentiles, or for some tenths of a second.
    private var defaultCount: Int {
        let sleeps = wait == .sleep
        switch mode {
        case .rtt: return sleeps ? 30_000 : 300_000
        case .rate: return 50_000
        case .burst: return 50_000
        case .idle: return 10
        case .throughput:
            let bytes = sleeps ? 256 << 20 : 2 << 30
            return min(max(bytes / size, 2_000), sleeps ? batch > 1 ? 2_000_000 : 400_000 : 20_000_000)
        case .mpsc: return sleeps ? 400_000 : min(max(2 << 30 / size, 2_000), 8_000_000)
        }
    }

    /// What goes before the measuring: every page touched twice, every branch predicted.
    var warmUp: Int {
        switch mode {
        case .rtt: return max(count / 10, 1_000)
        case .rate, .burst: return 1_000
        case .idle: return 1
        case .throughput:
            let laps = 2 * capacity / size
            return max(count / 10, wait == .sleep ? min(laps, 50_000) : laps)
        case .mpsc:  // of each producer
            let laps = wait == .sleep ? min(capacity / size, 50_000) : capacity / size
            return max(count / 10, laps) / (manyProducers?.setup.producers ?? 1)
        }
    }

    /// How the peer gets it.
    var arguments: [String] {
        [
            mode.rawValue, "--transport", transport.rawValue, "--size", "\(size)", "--count", "\(count)", "--wait", wait.name,
            "--cpus", cpuText, "--capacity", "\(capacity)", "--batch", "\(batch)", "--alignment", "\(alignment)", "--same-core",
        ] + (hugePages ? ["--huge-pages"] : []) + (manyProducers?.arguments ?? [])
    }

    var cpuText: String { cpus.map(String.init).joined(separator: ",") }

    var setup: CaseSetup {
        CaseSetup(
            transport: transport, mode: mode, size: size, wait: wait.name, capacity: capacity, batch: batch, alignment: alignment,
            hugePages: hugePages, manyProducers: manyProducers?.setup)
    }

    var name: String { setup.name }
}
