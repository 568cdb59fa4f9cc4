import CTestSupport
import Foundation
import SharedRing
import Synchronization

/// What a process does that has little of something: `TestPeer confined CASE DIRECTORY`. Not a forked child of the tests: that
/// would inherit the locks their other threads hold at that moment.
enum Confined {
    private struct Wrong: Error, CustomStringConvertible { let description: String }

    private static func require(_ condition: Bool, _ what: String) throws {
        if !condition { throw Wrong(description: what) }
    }

    /// That the body throws the system's error with this number, saying these words.
    private static func refuse(
        _ number: Int32, _ fact: String, line: Int = #line, _ body: () throws(RingError) -> Void
    ) throws {
        guard let error = failure(of: body) else { throw Wrong(description: "line \(line): nothing was thrown") }
        let isRight = error.code == .system && error.errno == number && error.description.contains(fact)
        try require(isRight, "line \(line): \(error.code) \(error)")
    }

    private static func failure(of body: () throws(RingError) -> Void) -> RingError? {
        do throws(RingError) {
            try body()
            return nil
        } catch {
            return error
        }
    }

    private static func limit(_ resource: __rlimit_resource, to value: Int) throws {
        var limit = rlimit()
        let resource = __rlimit_resource_t(resource.rawValue)
        getrlimit(resource, &limit)
        limit.rlim_cur = rlim_t(value)
        try require(setrlimit(resource, &limit) == 0, "no limit of \(value)")
    }

    static func run(_ name: String, in directory: String) throws {
        var options = RingOptions(capacity: 4096)
        options.directory = directory
        switch name {
        case "descriptors": try descriptors { () throws(RingError) in try SPSCRing.openOrCreate("r", options: options) }
        case "descriptors-anonymous": try descriptors { () throws(RingError) in try SPSCRing.anonymous(options: options) }
        case "file-size": try fileSize(options)
        case "address-space": try addressSpace(options)
        case "broken-lane": try brokenLane(options)
        case "memfd": try memfd()
        case "anonymous": try anonymous()
        case "unlink": try unlink(options)
        case "looking-around": try lookingAround(options)
        case "board-reader": try boardReader()
        default: throw Wrong(description: "there is no case '\(name)'")
        }
        say("passed")
    }

    /// With one descriptor more each time, until it goes well.
    private static func descriptors(_ ring: () throws(RingError) -> SPSCRing) throws {
        func openCount() -> Int { (Int32(3)..<64).count { fcntl($0, F_GETFD) != -1 } }
        ts_close_all()
        var refusals = 0
        for free in 0..<30 {
            try limit(RLIMIT_NOFILE, to: 3 + free)
            let error = failure { () throws(RingError) in
                let ring = try ring()
                // The consumer first: what one reports of a dead producer is no matter of descriptors.
                var consumer = try ring.makeConsumer()
                var producer = try ring.makeProducer()
                try producer.send("x")
                _ = try consumer.next(timeout: .zero)?.text
                try producer.close()
                try consumer.close()
            }
            try require(openCount() == 0, "with \(free): \(openCount()) descriptors are left open")
            guard let error else {
                try require(refusals >= 4, "it took only \(refusals) descriptors")
                return
            }
            try refuse(EMFILE, "Too many open files") { () throws(RingError) in throw error }
            refusals += 1
        }
        throw Wrong(description: "30 descriptors are not enough")
    }

    /// A wait that is refused is measured against the time that passed.
    private static func boardReader() throws {
        func processor() -> Double {
            var time = timespec()
            clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
            return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
        }
        let board = try Board.anonymous(entries: [Board.Entry("k", capacity: 8)])
        var writer = try board.makeWriter("k")
        var reader = try board.makeReader("k", waiting: .sleep, options: EndpointOptions(checkInterval: .seconds(600)))
        try require(ts_deny("FUTEX_WAIT_BITSET", EPERM) == 0, "not denied")
        let (start, before) = (ContinuousClock.now, processor())
        let error = failure { () throws(RingError) in _ = try reader.next(timeout: .milliseconds(500)) }
        let (passed, used) = (start.duration(to: .now) / .seconds(1), processor() - before)
        try require(error?.code == .timedOut, "\(String(describing: error))")
        try require(used < passed / 2, "\(used) s of the processor in \(passed) s")
        try writer.set("here")
        try require(try reader.next(timeout: .seconds(100)).text == "here", "another value")
    }

    private static func fileSize(_ options: RingOptions) throws {
        // The process that started this one may have it ignored or, like a thread of Dispatch's, blocked.
        signal(SIGXFSZ, SIG_DFL)
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGXFSZ)
        sigprocmask(SIG_UNBLOCK, &signals, nil)
        try limit(RLIMIT_FSIZE, to: 8192)
        try refuse(EFBIG, "RLIMIT_FSIZE") { () throws(RingError) in _ = try SPSCRing.create("r", options: options) }
        try refuse(EFBIG, "RLIMIT_FSIZE") { () throws(RingError) in _ = try SPSCRing.openOrCreate("r", options: options) }
        try refuse(EFBIG, "RLIMIT_FSIZE") { () throws(RingError) in _ = try SPSCRing.anonymous(options: options) }
        var producer = try SPSCRing.open("there", options: options).makeProducer()
        try producer.send([UInt8](repeating: 7, count: 500_000))
        try producer.close()
    }

    private static func addressSpace(_ options: RingOptions) throws {
        let ring = try SPSCRing.open("r", options: options)
        try require(ts_limit_address_space(64 << 20) == 0, "no limit")
        for _ in 0..<3 {
            try refuse(ENOMEM, "address space") { () throws(RingError) in try ring.makeProducer().close() }
            try refuse(ENOMEM, "address space") { () throws(RingError) in try ring.makeConsumer().close() }
        }
        try require(ts_limit_address_space(.max) == 0, "no way back")
        try ring.makeProducer().close()
        try ring.makeConsumer().close()
    }

    private static func brokenLane(_ options: RingOptions) throws {
        var options = options
        options.capacity = 256 << 20
        let ring = try MPSCRing.create("r", lanes: 2, options: options)
        var first = try ring.makeProducer()
        var consumer = try ring.makeConsumer(ending: .whenAllEnded(atLeast: 2))
        try first.send("a")
        var text = try consumer.next(timeout: .zero)?.text
        try require(text == "a", "no a")
        var second = try ring.makeProducer()
        try require(ts_limit_address_space(64 << 20) == 0, "no limit")
        try second.send("lost from sight")
        try refuse(ENOMEM, "address space") { () throws(RingError) in _ = try consumer.next(timeout: .zero)?.text }
        try first.send("b")
        text = try consumer.next(timeout: .zero)?.text
        try require(text == "b", "the other lane goes on")
        try first.close()
        let early = failure { () throws(RingError) in _ = try consumer.next(timeout: .milliseconds(200))?.text }
        try require(early?.code == .timedOut, "one of two is still there: \(early?.description ?? "ended")")
        try second.close()
        let end = failure { () throws(RingError) in _ = try consumer.next(timeout: patience)?.text }
        try require(end?.code == .poisoned, "as if whole: \(end?.description ?? "ended")")
        try require(end?.description.contains("not all of their lanes") == true, "\(end!)")
        let isRemoved = try consumer.removeRingIfUnused()
        try require(!isRemoved, "removed, with a message in it")
        // The next one has room again, and finds what this one could not see.
        try consumer.close()
        try require(ts_limit_address_space(.max) == 0, "no way back")
        var next = try ring.makeConsumer()
        text = try next.next(timeout: .zero)?.text
        try require(text == "lost from sight", "lost")
    }

    private static func anonymous() throws {
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        var producer = try ring.makeProducer()
        var consumer = try ring.makeConsumer()
        try producer.send("x")
        let text = try consumer.next(timeout: .zero)?.text
        try require(text == "x", "no x")
        try producer.close()
        try consumer.close()
    }

    private static func memfd() throws {
        try require(ts_deny("memfd_create", EPERM) == 0, "not denied")
        try refuse(EPERM, "no anonymous memory") { () throws(RingError) in _ = try SPSCRing.anonymous() }
    }

    /// What a descriptor of this process stands for; nil if it is closed.
    private static func target(of descriptor: Int32) -> String? {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/fd/\(descriptor)", &buffer, buffer.count)
        return count > 0 ? String(decoding: buffer.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self) : nil
    }

    /// A thread lists a directory and examines rings all the while, and this process has no standard input. Nothing of the thread's may
    /// take its place, and a child that is forked meanwhile may inherit nothing of the directory.
    private static func lookingAround(_ options: RingOptions) throws {
        _ = try SPSCRing.create("r", options: options)
        // Of the user that stands for those who are not mapped: the process looks into /proc for it.
        try require(chown("\(options.directory)/r", 65534, 65534) == 0 || geteuid() != 0, "not given away")
        for number in 0..<100 { close(creat("\(options.directory)/file-\(number)", 0o600)) }
        var anyone = options
        anyone.allowedOwners = .anyone
        close(0)
        let progress = Progress()
        let thread = Thread { [anyone] in
            while !progress.isDone.load(ordering: .acquiring) {
                _ = try? RingReport.fileNames(options: anyone)
                for _ in 0..<20 { _ = try? RingReport("r", options: anyone) }
                progress.rounds.add(1, ordering: .relaxed)
            }
        }
        thread.start()
        defer {
            progress.isDone.store(true, ordering: .releasing)
            while !thread.isFinished { usleep(500) }
        }
        // A hundred rounds, however busy the machine is.
        while progress.rounds.load(ordering: .relaxed) < 100 {
            for _ in 0..<50 {
                let target = target(of: 0)
                // The library's own placeholder can't be read.
                try require(target == nil || target == "/", "\(target ?? "") is standard input")
            }
            let child = ts_split()
            if child == 0 {
                for descriptor in Int32(0)..<64 where target(of: descriptor)?.hasPrefix(anyone.directory) == true { ts_leave(1) }
                ts_leave(0)
            }
            var status: Int32 = 0
            try require(child > 0 && waitpid(child, &status, 0) == child, "no child")
            try require(status == 0, "a forked child has inherited a descriptor of the directory: \(status)")
        }
    }

    private final class Progress: Sendable {
        let isDone = Atomic(false)
        let rounds = Atomic(0)
    }

    private static func unlink(_ options: RingOptions) throws {
        try require(ts_deny("unlinkat", EPERM) == 0, "not denied")
        let ring = try SPSCRing.create("r", options: options)
        try refuse(EPERM, "can't be removed") { () throws(RingError) in try SPSCRing.remove("r", options: options) }
        var consumer = try ring.makeConsumer()
        try refuse(EPERM, "can't be removed") { () throws(RingError) in _ = try consumer.removeRingIfUnused() }
        // The lanes' bytes are free again, and the consumer's is not.
        var producer = try ring.makeProducer()
        let other = failure { () throws(RingError) in try ring.makeConsumer().close() }
        try require(other?.code == .roleTaken, "the consumer's role is lost")
        try producer.send("x")
        let text = try consumer.next(timeout: .zero)?.text
        try require(text == "x", "no x")
        try producer.close()
        try consumer.close()
        let outcome = StaleRing.remove("r", includingUndelivered: true, options: options).outcome
        guard case .kept(.refused(let error)) = outcome, error.errno == EPERM else { throw Wrong(description: "\(outcome)") }
    }
}
