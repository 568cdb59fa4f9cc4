import Foundation
import Testing

@Suite("Many rings awaited at once")
struct FleetTests {
    /// "received 2000 waiters 1 idle_us 12" as numbers by name.
    private func facts(_ arguments: String...) throws -> [String: Int] {
        let peer = try Peer(["fleet"] + arguments)
        let words = try peer.line(within: 60).split(separator: " ").map(String.init)
        #expect(try peer.wait() == 0)
        try #require(words.count == 6, "\(words)")
        return Dictionary(uniqueKeysWithValues: stride(from: 0, to: 6, by: 2).map { (words[$0], Int(words[$0 + 1]) ?? -1) })
    }

    @Test("100 rings need one waiter thread, and next to no processor time while nothing comes") func hundred() throws {
        let facts = try facts("rings=100", "rounds=20", "idle=1000")
        #expect(facts["received"] == 2000)
        #expect(facts["waiters"] == 1)
        // About a tenth of that is usual: ten passes over the rings. A loop, or a timer a ring, would take far more.
        #expect(facts["idle_us"]! < 100_000)
    }

    @Test("No wake-up is lost: nothing but a doorbell ends a wait here", arguments: ["", "symmetric", "without-waitv"])
    func noLostWakeups(how: String) throws {
        #expect(try facts("rings=30", "rounds=1000", "slice=3600000", how)["received"] == 30_000)
    }

    @Test("127 rings fit one thread, the 128th starts another") func bounds() throws {
        #expect(try facts("rings=127", "rounds=2")["waiters"] == 1)
        #expect(try facts("rings=128", "rounds=2")["waiters"] == 2)
    }

    @Test("Waits under way do not keep a process from ending", arguments: ["", "without-waitv"]) func leaving(how: String) throws {
        let peer = try Peer(["fleet", "rings=5", "leave", how])
        #expect(try peer.line(within: 60) == "leaving waiters \(how.isEmpty ? 1 : 5)")
        #expect(try peer.wait() == 0)
    }

    @Test("Should futex_waitv be forbidden later, waiting goes on, and is not busy") func losesTheCall() throws {
        let facts = try facts("rings=10", "rounds=50", "idle=1000", "loses-waitv")
        #expect(facts["received"] == 500)
        // A thread that never sleeps would take a million.
        #expect(facts["idle_us"]! < 600_000)
    }

    @Test("Where futex_waitv is missing, every waiting ring has a thread of its own") func withoutTheCall() throws {
        let facts = try facts("rings=20", "rounds=20", "without-waitv")
        #expect(facts["received"] == 400)
        #expect(facts["waiters"] == 20)
    }
}
