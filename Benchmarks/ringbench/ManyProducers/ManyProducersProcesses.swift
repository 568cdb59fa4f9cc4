import BenchReport
import CBench
import Glibc

/// How the processes of many producers come to be: this program again, once for each producer, once for all that are silent, and
/// once for each that is stopped.
enum ManyProducersProcesses {
    /// The hidden first argument of each.
    static let peerWord = "--many-producers"

    private enum Part: String { case producer, idle, stopped }

    /// Runs one repeat of a case and ends its peers, whatever happens. This process is pinned already.
    static func run(_ test: Case, _ manyProducers: ManyProducers, _ ticks: Ticks) throws -> Sample {
        let gathering = try Gathering(processes: manyProducers.setup.producers + 1)
        let silent = try Gathering(processes: 1)
        let (mine, theirs) = try test.open()
        let endedBefore = cb_children_ended()
        defer { mine.close() }
        var peers: [pid_t] = []
        func start(_ part: Part, _ number: Int, _ gathering: Gathering) throws {
            let facts = [peerWord, "\(getpid())", "\(gathering.descriptor)", "\(theirs.sending)", part.rawValue, "\(number)"]
            peers.append(try Processes.start(facts + test.arguments, inheriting: [theirs.sending, gathering.descriptor]))
        }
        do {
            do {
                defer { theirs.close() }
                // The producers that send attach last: a lane that a round comes to first would be looked at with luck.
                if manyProducers.setup.idleLanes > 0 {
                    try start(.idle, 0, silent)
                    silent.callTogether(0..<1)
                }
                for number in 0..<manyProducers.setup.stopped {
                    try start(.stopped, number, silent)
                    try succeeded(cb_stop_awaited(peers[peers.count - 1]), "nobody to wait for")
                }
                for number in 0..<manyProducers.setup.producers { try start(.producer, number, gathering) }
            }
            let consumer = ManyProducersConsumer(
                test: test, manyProducers: manyProducers, descriptor: mine.receiving, gathering: gathering, ticks: ticks)
            let sample: Sample =
                switch test.transport {
                case .ring: try consumer.measure(LaneReceiver.self)
                case .spsc: try consumer.measure(SingleReceiver.self)
                case .pipe: try consumer.measure(SharedPipeReceiver.self)
                default: try consumer.measure(SharedTailReceiver.self)
                }
            if manyProducers.setup.idleLanes > 0 { silent.callTogether(0..<1) }
            for peer in peers { kill(peer, SIGCONT) }
            // The SIGCHLD handler counts them, or ends this process if one failed after all.
            while cb_children_ended() < endedBefore + Int32(peers.count) { usleep(100) }
            return sample
        } catch {
            signal(SIGCHLD, SIG_DFL)  // their end is our doing now
            for peer in peers {
                kill(peer, SIGKILL)
                waitpid(peer, nil, 0)
            }
            throw error
        }
    }

    /// A peer's whole life. `words` is what came after the hidden word.
    static func servePeer(_ words: [String]) throws {
        guard words.count > 5, let parent = Int32(words[0]), let descriptor = Int32(words[1]), let sending = Int32(words[2]),
            let part = Part(rawValue: words[3]), let number = Int(words[4])
        else { throw Misuse("\(peerWord) is for ringbench's own use") }
        try succeeded(cb_die_with_parent(parent), "the parent is gone")
        let options = try Options(words[5...])
        guard let transport = options.transports.first,
            let manyProducers = try options.manyProducers.variants(options.manyProducers.producers[0], transport).first
        else { throw Misuse("\(peerWord) needs a case") }
        let test = Case(transport, .mpsc, options: options, size: options.sizes.first, wait: options.waits[0], manyProducers: manyProducers)
        let cpu = manyProducers.cpu(of: number)
        try succeeded(cb_pin(Int32(cpu)), "a producer can't be pinned to CPU \(cpu)")
        let gathering = try Gathering(processes: part == .producer ? manyProducers.setup.producers + 1 : 1, descriptor: descriptor)
        let producer = ManyProducersProducer(
            test: test, manyProducers: manyProducers, number: number, descriptor: sending, gathering: gathering)
        switch (part, transport) {
        case (.idle, _): try ManyProducersBystander.beIdle(test, manyProducers.setup.idleLanes, sending, gathering, 0)
        case (.stopped, _): try ManyProducersBystander.beStopped(test, sending)
        case (_, .ring), (_, .spsc): try producer.send(RingSender.self)
        case (_, .pipe): try producer.send(ByteSender.self)
        default: try producer.send(SharedTailSender.self)
        }
    }
}
