import BenchReport
import CBench
import Glibc

/// How the second process of a case comes to be: this program again, with the descriptors it needs and the case as its
/// command line.
enum Processes {
    /// The hidden first argument of a peer.
    static let peerWord = "--peer"

    /// Runs one repeat of a case and ends its peer, whatever happens.
    static func run(_ test: Case, histogram: Histogram, ticks: Ticks) throws -> Sample {
        try succeeded(cb_pin(Int32(test.cpus[0])), "this process can't be pinned to CPU \(test.cpus[0])")
        if let manyProducers = test.manyProducers { return try ManyProducersProcesses.run(test, manyProducers, ticks) }
        let exchange = try Exchange()
        let (mine, theirs) = try test.open()
        let endedBefore = cb_children_ended()
        let peer: pid_t
        do {
            defer { theirs.close() }
            peer = try start(test, theirs, exchange, ticks)
        }
        defer { mine.close() }
        do {
            let sample = try test.transport.accept(
                ParentRun(test: test, ends: mine, exchange: exchange, histogram: histogram, ticks: ticks))
            // The SIGCHLD handler counts it, or ends this process if the peer failed after all.
            while cb_children_ended() == endedBefore { usleep(100) }
            return sample
        } catch {
            signal(SIGCHLD, SIG_DFL)  // its end is our doing now
            kill(peer, SIGKILL)
            waitpid(peer, nil, 0)
            throw error
        }
    }

    private static func start(_ test: Case, _ ends: Ends, _ exchange: Exchange, _ ticks: Ticks) throws -> pid_t {
        let facts = [
            peerWord, "\(getpid())", "\(exchange.descriptor)", "\(ends.sending)", "\(ends.receiving)", "\(ticks.perNanosecond.bitPattern)",
        ]
        return try start(facts + test.arguments, inheriting: [ends.sending, ends.receiving, exchange.descriptor])
    }

    /// Starts this program again.
    static func start(_ words: [String], inheriting descriptors: Set<Int32>) throws -> pid_t {
        for descriptor in descriptors where descriptor >= 0 {
            try succeeded(cb_inherit(descriptor), "a descriptor can't be inherited")
        }
        var arguments: [UnsafeMutablePointer<CChar>?] = (["ringbench"] + words).map { strdup($0) }
        arguments.append(nil)
        defer { for argument in arguments { free(argument) } }
        var pid: pid_t = 0
        let error = posix_spawn(&pid, "/proc/self/exe", nil, nil, arguments, environ)
        guard error == 0 else { throw Failure("another process can't be started: errno \(error)") }
        return pid
    }

    /// The peer's whole life. `words` is what came after the hidden word.
    static func servePeer(_ words: [String]) throws {
        guard words.count > 5, let parent = Int32(words[0]), let descriptor = Int32(words[1]), let sending = Int32(words[2]),
            let receiving = Int32(words[3]), let bits = UInt64(words[4])
        else { throw Misuse("\(peerWord) is for ringbench's own use") }
        try succeeded(cb_die_with_parent(parent), "the parent is gone")
        let options = try Options(words[5...])
        guard let mode = options.mode, let transport = options.transports.first else { throw Misuse("\(peerWord) needs a case") }
        let test = Case(transport, mode, options: options, size: options.sizes.first, wait: options.waits[0])
        try succeeded(cb_pin(Int32(test.cpus[1])), "the peer can't be pinned to CPU \(test.cpus[1])")
        try transport.accept(
            PeerRun(
                test: test, ends: Ends(sending: sending, receiving: receiving),
                exchange: Exchange(descriptor: descriptor, side: .peer), ticksPerNanosecond: Double(bitPattern: bits)))
    }
}
