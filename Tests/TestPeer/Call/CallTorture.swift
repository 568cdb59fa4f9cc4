import CSharedRing
import Foundation
import SharedRing

/// Calls with kills of clients and servers at random instants, until so many calls were made; each must have exactly one outcome, and the right one.
///
///     TestPeer call-torture [calls=20000] [kills=40] [clients=3] [servers=2] [seconds=100] [seed=N] [directory=…] [barrier=symmetric]
///
/// Each call has an id. In a file that all processes map, servers count how often they started each id, and callers note how it ended for them. In the end:
/// (One call in three has a stream, in one third of them stopped by its client at some part: see `CallTorture+Streams`.)
/// no id was started twice; a call that was replied to, or refused, was started; one that was not executed was never started; no reply is another call's. Prints
/// what happened; exits 0 if every call had its outcome, 1 if not. The seed says which process is killed when; what the calls come to by then is chance.
struct CallTorture {
    private static let name = "calls"
    private static let sizes = [8, 40, 48, 49, 600]

    private var setup = Setup([])
    private var calls = 20_000
    private var kills = 40
    private var clients = 3
    private var servers = 2
    private var seconds = 100.0
    private var seed = UInt64.random(in: 0...UInt64(UInt32.max))
    private let words: [String]

    private init(_ words: [String]) {
        self.words = words
        setup.options.allowedOwners = .sameUser
        for word in words {
            let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2 else { continue }
            switch parts[0] {
            case "calls": calls = Int(parts[1])!
            case "kills": kills = Int(parts[1])!
            case "clients": clients = Int(parts[1])!
            case "servers": servers = Int(parts[1])!
            case "seconds": seconds = Double(parts[1])!
            case "seed": seed = UInt64(parts[1])!
            case "directory": setup.options.directory = parts[1]
            case "barrier": setup.options.barrier = parts[1] == "symmetric" ? .symmetric : .automatic
            default: break
            }
        }
    }

    static func run(_ arguments: [String]) throws {
        let torture = CallTorture(Array(arguments.dropFirst()))
        alarm(UInt32(torture.seconds) + 60)
        switch arguments[0] {
        case "call-torture-client": try torture.client()
        case "call-torture-server": try torture.server()
        default: try torture.run()
        }
    }

    // MARK: The ledger

    /// How a call ended for its caller, as the ledger has it.
    private enum Note: UInt32, CaseIterable {
        /// The caller was killed before it knew.
        case none, replied, refused, dropped, closed, notExecuted, unknown, stillOpen
    }

    private struct Ledger: @unchecked Sendable {
        let next: UnsafeMutablePointer<UInt64>
        let isOver: UnsafeMutablePointer<UInt64>
        let starts: UnsafeMutablePointer<UInt32>
        let notes: UnsafeMutablePointer<UInt32>
        let count: Int

        init(_ path: String, count: Int, creating: Bool) {
            let size = 4096 + 8 * count
            let file = open(path, creating ? O_RDWR | O_CREAT : O_RDWR, 0o600)
            if creating { posix_fallocate(file, 0, off_t(size)) }
            guard let map = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0), map != MAP_FAILED else { fatalError("no ledger") }
            close(file)
            next = map.assumingMemoryBound(to: UInt64.self)
            isOver = next + 16
            starts = (map + 4096).assumingMemoryBound(to: UInt32.self)
            notes = starts + count
            self.count = count
        }
    }

    /// Each caller that is killed leaves an id unused or unended: so there are more ids than calls.
    private func ledger(creating: Bool = false) -> Ledger {
        Ledger(setup.options.directory + "/ledger", count: 2 * calls + 100_000, creating: creating)
    }

    // MARK: The parent

    private func start(_ role: String) -> pid_t {
        let arguments = (["/proc/self/exe", role] + words).map { strdup($0) } + [nil]
        defer { arguments.forEach { free($0) } }
        var pid: pid_t = 0
        guard posix_spawn(&pid, "/proc/self/exe", nil, nil, arguments, environ) == 0 else { fatalError("can't start a process") }
        return pid
    }

    private func run() throws {
        _ = try CallService.create(
            Self.name,
            shape: CallService.Shape(
                clients: 4 * clients, servers: servers, requestCapacity: 1024, replyCapacity: 1024, streamCapacity: 1024),
            options: setup.options)
        let ledger = ledger(creating: true)
        let end = Date().addingTimeInterval(seconds)
        var roles: [pid_t: String] = [:]
        for _ in 0..<servers { roles[start("call-torture-server")] = "call-torture-server" }
        for _ in 0..<clients { roles[start("call-torture-client")] = "call-torture-client" }
        func fail(_ why: String) -> Never {
            say("FAILED: \(why)")
            for pid in roles.keys { kill(pid, SIGKILL) }
            exit(1)
        }
        var killed = 0
        var random = SplitMix(seed: seed)
        var seen: UInt64 = 0
        while killed < kills || sr_load_acquire_u64(ledger.next) < UInt64(calls) {
            usleep(UInt32.random(in: 0..<4000, using: &random))
            if Date() > end { fail("not over after \(seconds) s: \(sr_load_acquire_u64(ledger.next)) calls, \(killed) kills") }
            var status: Int32 = 0
            for pid in roles.keys where waitpid(pid, &status, WNOHANG) == pid { fail("a process ended with status \(status)") }
            // Only after calls were made: or there would be nothing to kill in the midst of.
            let now = sr_load_acquire_u64(ledger.next)
            guard killed < kills, now > seen + 20, let pid = roles.keys.sorted().randomElement(using: &random) else { continue }
            seen = now
            kill(pid, SIGKILL)
            waitpid(pid, &status, 0)
            if status != SIGKILL { fail("a process ended with status \(status)") }
            killed += 1
            let role = roles.removeValue(forKey: pid)!
            roles[start(role)] = role
        }
        sr_store_release_u64(ledger.isOver, 1)
        for (pid, role) in roles where role == "call-torture-client" {
            var status: Int32 = 0
            while waitpid(pid, &status, WNOHANG) != pid {
                if Date() > end { fail("a caller did not end within \(seconds) s") }
                usleep(500)
            }
            if status != 0 { fail("a caller ended with status \(status)") }
            roles[pid] = nil
        }
        let report = try RingReport(Self.name, options: setup.options)
        let check = try RingCheck(Self.name, options: setup.options)
        for pid in roles.keys {
            kill(pid, SIGKILL)
            var status: Int32 = 0
            waitpid(pid, &status, 0)
        }
        if let damage = check.damage.first { fail("damaged: \(damage.detail)") }
        try settle(ledger)
        try CallService.remove(Self.name, options: setup.options)
        unlink(setup.options.directory + "/ledger")
        judge(ledger, killed, late: report.callSlots.reduce(0) { $0 + $1.lateReplies })
    }

    /// Every slot gets quiet again, whoever was killed: each can be called through.
    private func settle(_ ledger: Ledger) throws {
        let service = try CallService.open(Self.name, options: setup.options)
        final class Box: @unchecked Sendable {
            var server: CallServer?
            init(_ server: consuming CallServer) { self.server = consume server }
        }
        let server = try service.makeServer()
        let canceller = server.canceller
        let box = Box(server)
        let thread = Thread {
            var server = box.server.take()!
            try? server.serve { request, answer in try answer.reply(request.bytes) }
        }
        thread.start()
        // Each has a slot, so that all are looked after: one client of many slots uses as many as its threads need at a time.
        // Its thread lets go of it before it says so: the service is removed behind this.
        let clients = try (0..<service.shape.clients).map { _ in Handover(try service.makeClient(slots: 1)) }
        let done = DispatchSemaphore(value: 0)
        @Sendable func callInVain(_ client: consuming CallClient) { for _ in 0..<10 { _ = try? client.call("x", timeout: patience) } }
        for client in clients {
            Thread.detachNewThread {
                callInVain(client.value.take()!)
                done.signal()
            }
        }
        for _ in 0..<service.shape.clients { done.wait() }
        canceller.cancel()
        while !thread.isFinished { usleep(1000) }
        let report = try RingReport(Self.name, options: setup.options)
        let open = report.callSlots.filter { $0.state != .quiet }
        if !open.isEmpty {
            say("FAILED: \(open.count) slots did not get quiet")
            exit(1)
        }
    }

    private func judge(_ ledger: Ledger, _ killed: Int, late: UInt64) {
        var counts: [Note: Int] = [:]
        var wrong: [String] = []
        let made = min(Int(sr_load_acquire_u64(ledger.next)), ledger.count)
        for id in 0..<made {
            let starts = ledger.starts[id]
            guard let note = Note(rawValue: ledger.notes[id]) else {
                wrong.append("call \(id) has two outcomes")
                continue
            }
            counts[note, default: 0] += 1
            if starts > 1 { wrong.append("call \(id) was started \(starts) times") }
            switch note {
            case .replied, .refused, .dropped, .closed:
                if starts != 1 { wrong.append("call \(id) is \(note) and was started \(starts) times") }
            case .notExecuted:
                if starts != 0 { wrong.append("call \(id) is \(note) and was started") }
            case .none, .unknown, .stillOpen: break
            }
        }
        for line in wrong.prefix(10) { say("wrong: \(line)") }
        let summary = Note.allCases.map { "\(counts[$0] ?? 0) \($0)" }.joined(separator: ", ")
        say(
            "\(wrong.isEmpty ? "passed" : "FAILED"): \(made) calls, \(killed) kills: \(summary); \(late) late; seed \(seed); \(wrong.count) wrong"
        )
        exit(wrong.isEmpty ? 0 : 1)
    }

    // MARK: The servers

    private func server() throws {
        let ledger = ledger()
        var server = try CallService.open(Self.name, options: setup.options).makeServer(
            options: EndpointOptions(checkInterval: .milliseconds(5)))
        var held: [DeferredCall] = []
        while true {
            let request: CallRequest
            do throws(RingError) { request = try server.next(timeout: .milliseconds(1)) } catch {
                guard error.code == .timedOut else { throw error }
                for call in held.reversed() { try call.reply(call.array) }
                held = []
                continue
            }
            let bytes = request.array
            // The settling calls of the end have no id.
            guard bytes.count >= 8 else { continue }
            let id = Int(bytes.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) })
            guard id < ledger.count, bytes == Self.payload(id) else { return fail("a torn request: \(bytes.prefix(16))") }
            count(ledger.starts + id)
            if request.wantsStream {
                if let why = try Self.stream(id, request) { return fail(why) }
                continue
            }
            switch id % 16 {
            case 3: try request.refuse(Array("no \(id)".utf8))
            case 5: continue
            case 7, 8, 9:
                held.append(request.deferred())
                if held.count > 3 { for call in held.reversed() { try call.reply(call.array) }; held = [] }
            default: try request.reply(bytes)
            }
        }
    }

    private func count(_ word: UnsafeMutablePointer<UInt32>) {
        while true {
            let old = sr_load_acquire_u32(word)
            if sr_compare_exchange_acq_rel_u32(word, old, old + 1) != 0 { return }
        }
    }

    private func fail(_ why: String) {
        say("FAILED: \(why)")
        exit(1)
    }

    /// The id, and bytes that follow from it.
    static func payload(_ id: Int) -> [UInt8] {
        let size = sizes[id % sizes.count]
        return (0..<size).map { $0 < 8 ? UInt8(truncatingIfNeeded: id >> (8 * $0)) : UInt8(truncatingIfNeeded: id &* 31 &+ $0) }
    }

    // MARK: The clients

    private func client() throws {
        let ledger = ledger()
        let client = try CallService.open(Self.name, options: setup.options).makeClient(
            slots: 3, options: EndpointOptions(checkInterval: .milliseconds(5)))
        let threads = (0..<2).map { _ in
            let thread = Thread { callInTurns(client, ledger) }
            thread.start()
            return thread
        }
        while !threads.allSatisfy(\.isFinished) { usleep(1000) }
    }

    private func callInTurns(_ client: CallClient, _ ledger: Ledger) {
        while sr_load_acquire_u64(ledger.isOver) == 0 {
            let id = Int(sr_fetch_add_acq_rel_u64(ledger.next, 1))
            guard id < ledger.count else { return }
            let note: Note
            do throws(CallError) {
                let timeout: Duration = id % 8 == 1 ? .microseconds(id % 200) : patience
                if id % 3 == 0 {
                    let (end, wrong) = try Self.readStream(id, client, timeout)
                    if let wrong { fail("call \(id): \(wrong)") }
                    // A stream that was stopped has no outcome that its caller hears of.
                    note = end ? .replied : .none
                } else {
                    let reply = try client.call(Self.payload(id), timeout: timeout).array
                    if reply != Self.payload(id) { fail("call \(id) got another reply: \(reply.prefix(16))") }
                    note = .replied
                }
            } catch {
                // Only an untrusted peer makes such words.
                if error.reason.code == .poisoned { fail("call \(id): \(error)") }
                switch error.outcome {
                case .failed(.refused):
                    if error.refusalText != "no \(id)" { fail("call \(id) got another refusal: \(error.refusalText)") }
                    note = .refused
                case .failed(.dropped): note = .dropped
                case .failed(.closed): note = .closed
                case .notExecuted: note = .notExecuted
                case .unknown: note = .unknown
                case .stillOpen: note = .stillOpen
                default:
                    fail("call \(id): \(error)")
                    return
                }
            }
            guard note != .none else { continue }
            // What is there already would be a second outcome, and makes a number that is none.
            if sr_compare_exchange_acq_rel_u32(ledger.notes + id, 0, note.rawValue) == 0 { sr_store_release_u32(ledger.notes + id, 99) }
        }
    }
}
