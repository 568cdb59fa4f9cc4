import Foundation
import SharedRing
import TestSupport
import Testing

@Suite("Many rings awaited at once", .oneByOne)
struct FleetTests {
    /// "received 2000 waiters 1 cpu_us 12 idle_us 1000" as numbers by name.
    private func facts(_ arguments: String...) throws -> [String: Int] {
        let peer = try Peer(["fleet"] + arguments)
        let words = try peer.line().split(separator: " ").map(String.init)
        #expect(try peer.wait() == 0)
        try #require(words.count == 8, "\(words)")
        return Dictionary(uniqueKeysWithValues: stride(from: 0, to: 8, by: 2).map { (words[$0], Int(words[$0 + 1]) ?? -1) })
    }

    @Test("100 rings need one waiter thread, and next to no processor time while nothing comes") func hundred() throws {
        let facts = try facts("rings=100", "rounds=20", "idle=1000")
        #expect(facts["received"] == 2000)
        #expect(facts["waiters"] == 1)
        // A tenth of the time is much: at first there are ten passes over the rings a second. A loop, or a timer a ring, would take far more.
        #expect(facts["cpu_us"]! < facts["idle_us"]! / 10 + 100_000)
    }

    @Test("A ring on which nothing happens is looked at ten times, a check interval apart, and then once in ten check intervals")
    func silence() throws {
        let place = Place()
        let peer = try Peer(["fleet", "rings=1", "check-interval=1", "idle=100000", "directory=\(place.path)"])
        func sleeps() -> Int { (try? RingStatistics("0", options: place.options())).map { Int($0.consumerSleeps) } ?? 0 }
        #expect(eventually { sleeps() > 0 })
        // Both times lie outside of both counts.
        let start = ContinuousClock.now
        let before = sleeps()
        usleep(1_000_000)
        let count = sleeps() - before
        let intervals = (ContinuousClock.now - start) / .milliseconds(1)
        #expect(Double(count) <= 10 + intervals / 10 + 1, "\(count) looks in \(intervals) check intervals")
        peer.kill()
    }

    @Test("Silent rings are looked at in one pass, although their waits did not begin at the same time") func onePass() throws {
        let place = Place()
        let rings = 20
        let peer = try Peer(["fleet", "rings=\(rings)", "check-interval=1", "idle=100000", "directory=\(place.path)"])
        // When it falls asleep, and after each of the ten quick looks.
        #expect(
            eventually {
                (0..<rings).allSatisfy { ((try? RingStatistics("\($0)", options: place.options()))?.consumerSleeps ?? 0) > 11 }
            })
        let start = ContinuousClock.now
        let before = try wakeUps(ofWaitersIn: peer.pid)
        usleep(1_000_000)
        let count = try wakeUps(ofWaitersIn: peer.pid) - before
        let intervals = (ContinuousClock.now - start) / .milliseconds(1)
        // An endpoint that is due within half an interval goes along: five check intervals from pass to pass, at least. Some more, for what else may
        // put a thread to sleep. By themselves they would need twenty passes in ten check intervals.
        #expect(Double(count) <= intervals / 4 + 20, "\(count) wake-ups in \(intervals) check intervals")
        peer.kill()
    }

    /// How often the waiter threads of a process have slept.
    private func wakeUps(ofWaitersIn pid: pid_t) throws -> Int {
        func text(_ name: String) -> String { (try? String(contentsOfFile: "/proc/\(pid)/task/\(name)", encoding: .utf8)) ?? "" }
        let threads = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task")
        let waiters = threads.filter { text($0 + "/comm") == "sharedring-wait\n" }
        try #require(!waiters.isEmpty)
        let counts = waiters.map { thread in
            text(thread + "/status").split(separator: "\n").first { $0.hasPrefix("voluntary_ctxt_switches:") }
                .flatMap { Int($0.split(separator: "\t")[1]) }
        }
        return try counts.reduce(0) { try $0 + #require($1) }
    }

    @Test("No wake-up is lost: nothing but a doorbell ends a wait here", arguments: ["", "symmetric", "without-waitv"])
    func noLostWakeups(how: String) throws {
        #expect(try facts("rings=30", "rounds=1000", "check-interval=3600000", how)["received"] == 30_000)
    }

    @Test("127 rings fit one thread, the 128th starts another") func bounds() throws {
        #expect(try facts("rings=127", "rounds=2")["waiters"] == 1)
        #expect(try facts("rings=128", "rounds=2")["waiters"] == 2)
    }

    @Test("Waits under way do not keep a process from ending", arguments: ["", "without-waitv"]) func leaving(how: String) throws {
        let peer = try Peer(["fleet", "rings=5", "leave", how])
        #expect(try peer.line() == "leaving waiters \(how.isEmpty ? 1 : 5)")
        #expect(try peer.wait() == 0)
    }

    @Test("Should futex_waitv be forbidden later, waiting goes on, and is not busy") func losesTheCall() throws {
        let facts = try facts("rings=10", "rounds=50", "idle=1000", "loses-waitv")
        #expect(facts["received"] == 500)
        // A thread that never sleeps would take all of it.
        #expect(facts["cpu_us"]! < facts["idle_us"]! * 6 / 10)
    }

    @Test("Where futex_waitv is missing, every waiting ring has a thread of its own") func withoutTheCall() throws {
        let facts = try facts("rings=20", "rounds=20", "without-waitv")
        #expect(facts["received"] == 400)
        #expect(facts["waiters"] == 20)
    }
}
