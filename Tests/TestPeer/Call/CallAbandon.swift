import CSharedRing
import Foundation
import SharedRing

/// Calls that are given up, at a deadline or by a cancellation, until there were so many; afterwards nothing is left of them, and the next calls work.
///
///     TestPeer call-abandon-torture [calls=100000] [seconds=600] [seed=N] [directory=…]
///
/// Four threads and two tasks call through one client; a further thread cancels them all now and then. A server, which is a process of its own, answers at once,
/// late, or not at all. A tenth of the calls goes before: then the descriptors, threads and memory of both processes are noted, and again in the end. In the
/// end every slot must be quiet, and every call is answered. Prints what happened; exits 0 if nothing was left.
struct CallAbandon {
    private static let name = "calls"
    private static let slots = 6

    private var setup = Setup([])
    private var calls = 100_000
    private var seconds = 600.0
    private var seed = UInt64.random(in: 0...UInt64(UInt32.max))

    private init(_ words: some Sequence<String>) {
        setup.options.allowedOwners = .sameUser
        for word in words {
            let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2 else { continue }
            switch parts[0] {
            case "calls": calls = Int(parts[1])!
            case "seconds": seconds = Double(parts[1])!
            case "seed": seed = UInt64(parts[1])!
            case "directory": setup.options.directory = parts[1]
            default: break
            }
        }
    }

    static func run(_ arguments: [String]) throws {
        let abandon = CallAbandon(arguments.dropFirst())
        if arguments[0] == "call-abandon-torture-server" { try abandon.serve() } else { try abandon.run() }
    }

    // MARK: The server

    private func serve() throws {
        var server = try CallService.open(Self.name, options: setup.options).makeServer(
            options: EndpointOptions(checkInterval: .milliseconds(5)))
        var held: [DeferredCall] = []
        while true {
            let request: CallRequest
            do throws(RingError) { request = try server.next(timeout: .milliseconds(1)) } catch {
                guard error.code == .timedOut else { throw error }
                for call in held { try call.reply(call.array) }
                held = []
                continue
            }
            let bytes = request.array
            switch bytes[0] % 8 {
            case 4:
                usleep(100)
                try request.reply(bytes)
            case 5:
                held.append(request.deferred())
                if held.count > 2 { for call in held { try call.reply(call.array) }; held = [] }
            case 6: try request.refuse("no")
            case 7: continue
            default: try request.reply(bytes)
            }
        }
    }

    // MARK: The client

    private final class Tally: @unchecked Sendable {
        private let lock = NSLock()
        private var counts: [String: Int] = [:]
        private var givenUp = 0
        private var wrong: [String] = []

        func note(_ word: String, isGivenUp: Bool) {
            lock.withLock {
                counts[word, default: 0] += 1
                if isGivenUp { givenUp += 1 }
            }
        }
        func note(wrong what: String) { lock.withLock { if wrong.count < 10 { wrong.append(what) } } }
        var abandoned: Int { lock.withLock { givenUp } }
        var errors: [String] { lock.withLock { wrong } }
        var text: String { lock.withLock { counts.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ") } }
    }

    /// What a process has, as the system says.
    private struct Use {
        let descriptors, threads, kibibytes: Int

        init(_ pid: pid_t) throws {
            descriptors = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/fd").count
            threads = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task").count
            let words = try String(contentsOfFile: "/proc/\(pid)/statm", encoding: .utf8).split(separator: " ")
            // Without what is mapped from files: the segment's pages come in with its slots.
            kibibytes = (Int(words[1])! - Int(words[2])!) * Int(getpagesize()) / 1024
        }

        var text: String { "\(descriptors) descriptors, \(threads) threads, \(kibibytes) KiB" }
    }

    private func run() throws {
        say("call-abandon-torture calls=\(calls) seed=\(seed)")
        let service = try CallService.create(
            Self.name, shape: CallService.Shape(clients: 8, servers: 1, requestCapacity: 1024, replyCapacity: 1024), options: setup.options)
        let server = try start("call-abandon-torture-server")
        defer {
            kill(server, SIGKILL)
            waitpid(server, nil, 0)
        }
        func fail(_ why: String) -> Never {
            say("FAILED: \(why); seed \(seed)")
            kill(server, SIGKILL)
            exit(1)
        }
        let end = Date().addingTimeInterval(seconds)
        let client = try service.makeClient(slots: Self.slots, options: EndpointOptions(checkInterval: .milliseconds(5)))
        let tally = Tally()
        func abandon(_ count: Int, _ turn: UInt64) {
            let isOver = Flag()
            let doers = (0..<4).map { number in
                Doer { callInTurns(client, tally, isOver, SplitMix(seed: seed &+ 16 * turn &+ UInt64(number))) }
            }
            let tasks = (4..<6).map { number in
                TaskDoer { await callInTasks(client, tally, isOver, SplitMix(seed: seed &+ 16 * turn &+ UInt64(number))) }
            }
            let canceller = Doer { cancel(client, isOver, SplitMix(seed: seed &+ 16 * turn &+ 7)) }
            while tally.abandoned < count, tally.errors.isEmpty {
                if Date() > end { fail("not over after \(seconds) s: \(tally.abandoned) calls given up") }
                usleep(1000)
            }
            isOver.set()
            for doer in doers + [canceller] { while !doer.isOver { usleep(500) } }
            for task in tasks { while !task.isOver { usleep(500) } }
            if let wrong = tally.errors.first { fail(wrong) }
        }
        abandon(calls / 10, 0)
        settle(client, fail)
        let before = (mine: try Use(getpid()), theirs: try Use(server))
        abandon(calls / 10 + calls, 1)
        settle(client, fail)
        let after = (mine: try Use(getpid()), theirs: try Use(server))
        let check = try RingCheck(Self.name, options: setup.options)
        if let damage = check.damage.first { fail("damaged: \(damage.detail)") }
        // The server still has some that it answers late.
        func open() throws -> Int { try RingReport(Self.name, options: setup.options).callSlots.count { $0.state != .quiet } }
        while try open() > 0 {
            if Date() > end { fail("\(try open()) slots are not quiet") }
            usleep(1000)
        }
        let report = try RingReport(Self.name, options: setup.options)
        let taken = report.callSlots.count { $0.client.presence == .attached }
        if taken > Self.slots { fail("the client has \(taken) slots") }
        for (name, before, after) in [("the client", before.mine, after.mine), ("the server", before.theirs, after.theirs)] {
            // Threads of the pools come and go. A hundred thousand leaks of 48 bytes are more than four mebibytes.
            if after.descriptors > before.descriptors + 1 || after.threads > before.threads + 8 || after.kibibytes > before.kibibytes + 4096
            {
                fail("\(name) had \(before.text), and has \(after.text)")
            }
        }
        let late = report.callSlots.reduce(0) { $0 + $1.lateReplies }
        say(
            "passed: \(tally.abandoned) calls given up (\(tally.text)); \(late) late replies; the client had \(before.mine.text), and has \(after.mine.text); "
                + "the server had \(before.theirs.text), and has \(after.theirs.text); seed \(seed)")
        withExtendedLifetime(client) {}
        unlink(setup.options.directory + "/" + Self.name)
    }

    /// As many callers at a time as there are slots, each with calls that are answered.
    private func settle(_ client: CallClient, _ fail: (String) -> Never) {
        let failures = Tally()
        let callers = (0..<Self.slots).map { _ in
            Doer {
                for number in 0..<100 {
                    let bytes = Self.payload(UInt64(number) * 8)
                    do {
                        if try client.call(bytes, timeout: patience).array != bytes { failures.note(wrong: "another reply") }
                    } catch { failures.note(wrong: "a call that is answered failed: \(error)") }
                }
            }
        }
        for caller in callers { while !caller.isOver { usleep(500) } }
        if let wrong = failures.errors.first { fail(wrong) }
    }

    private static func payload(_ number: UInt64) -> [UInt8] {
        let size = [8, 48, 49, 600][Int(number >> 8 & 3)]
        return [UInt8(truncatingIfNeeded: number)] + (1..<size).map { UInt8(truncatingIfNeeded: number &* 31 &+ UInt64($0)) }
    }

    private func note(_ error: CallError, _ tally: Tally) {
        let isGivenUp = error.reason.code == .timedOut || error.reason.code == .cancelled
        switch error.outcome {
        case .notExecuted where isGivenUp, .stillOpen where isGivenUp: tally.note("\(error.reason.code), \(error.outcome)", isGivenUp: true)
        case .failed(.refused), .failed(.dropped): tally.note("\(error.outcome)", isGivenUp: false)
        default: tally.note(wrong: "a call ended so: \(error)")
        }
    }

    private func callInTurns(_ client: CallClient, _ tally: Tally, _ isOver: Flag, _ random: SplitMix) {
        var random = random
        while !isOver.isSet {
            let bytes = Self.payload(random.next())
            do throws(CallError) {
                let timeout = Duration.microseconds(Int(random.next() % 200))
                if try client.call(bytes, timeout: timeout).array != bytes { tally.note(wrong: "another reply") }
                tally.note("replied", isGivenUp: false)
            } catch { note(error, tally) }
        }
    }

    private func callInTasks(_ client: CallClient, _ tally: Tally, _ isOver: Flag, _ random: SplitMix) async {
        var random = random
        while !isOver.isSet {
            let bytes = Self.payload(random.next())
            let timeout = Duration.microseconds(Int(random.next() % 400))
            let task = Task {
                do throws(CallError) {
                    if try await client.call(bytes, timeout: timeout).array != bytes { tally.note(wrong: "another reply") }
                    tally.note("replied", isGivenUp: false)
                } catch { note(error, tally) }
            }
            if random.next() % 2 == 0 {
                await Task.yield()
                task.cancel()
            }
            await task.value
        }
    }

    private func cancel(_ client: CallClient, _ isOver: Flag, _ random: SplitMix) {
        var random = random
        while !isOver.isSet {
            usleep(UInt32(random.next() % 3000))
            client.cancel()
            client.resume()
        }
        client.resume()
    }

    private func start(_ role: String) throws -> pid_t {
        let words = ["/proc/self/exe", role, "directory=\(setup.options.directory)", "seconds=\(seconds)"]
        let arguments = words.map { strdup($0) } + [nil]
        defer { arguments.forEach { free($0) } }
        var pid: pid_t = 0
        guard posix_spawn(&pid, "/proc/self/exe", nil, nil, arguments, environ) == 0 else { fatalError("can't start a process") }
        return pid
    }
}

/// A flag that is set once.
private final class Flag: @unchecked Sendable {
    private let word: UnsafeMutablePointer<UInt32>
    init() {
        word = .allocate(capacity: 1)
        word.initialize(to: 0)
    }
    deinit { word.deallocate() }
    func set() { sr_store_release_u32(word, 1) }
    var isSet: Bool { sr_load_acquire_u32(word) != 0 }
}

/// A thread that says when it is over. What its body keeps was let go of then.
private final class Doer: @unchecked Sendable {
    private let end = Flag()
    private var body: (@Sendable () -> Void)?
    init(_ body: @escaping @Sendable () -> Void) {
        self.body = body
        Thread.detachNewThread { [self] in
            self.body.take()?()
            end.set()
        }
    }
    var isOver: Bool { end.isSet }
}

/// The same of a task.
private final class TaskDoer: @unchecked Sendable {
    private let end = Flag()
    private var body: (@Sendable () async -> Void)?
    init(_ body: @escaping @Sendable () async -> Void) {
        self.body = body
        Task.detached { [self] in
            await self.body.take()?()
            end.set()
        }
    }
    var isOver: Bool { end.isSet }
}
