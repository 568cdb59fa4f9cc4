import CSharedRing
import Foundation
import TestSupport
import Testing

@testable import SharedRing

@Suite("A broadcast between processes", .oneByOne)
struct BroadcastProcessTests {
    let place = Place()

    @Test("One publisher and one reliable subscriber, in two processes", arguments: ["symmetric", "automatic"])
    func two(_ barrier: String) throws {
        let arguments = ["b", "directory=\(place.path)", "subscribers=4", "waiting=sleep", "check-interval=600000", "barrier=\(barrier)"]
        let publisher = try Peer(["producer"] + arguments)
        #expect(try publisher.line() == "attached")
        let subscriber = try Peer(["subscriber"] + arguments)
        #expect(try subscriber.line() == "attached")
        #expect(try publisher.ask("subscribers 1") == "subscribed")
        subscriber.tell("count")
        #expect(try publisher.ask("numbers 50000") == "sent")
        publisher.tell("close")
        #expect(try subscriber.line() == "counted 50000 before 0 missed 0 wrong 0")
        #expect(try publisher.line() == "closed")
    }
}

/// The short form; stage `torture` has five times as much, and `TestPeer broadcast-torture` runs for as long as one likes.
@Suite("Whoever is killed or stopped, whenever: every subscriber of a broadcast received and missed exactly what was sent", .fewAtATime)
struct BroadcastTortureTests {
    @Test(
        "Publishers and subscribers killed, stopped and replaced at random",
        arguments: [
            (6000, []), (4000, ["barrier=symmetric"]), (12000, ["capacity=65536"]), (4000, ["lossy=0"]), (20000, ["reliable=0"]),
            (4000, ["reliable=1", "lossy=1", "soft=2", "named=2", "durable=2"]),
        ])
    func torture(messages: Int, words: [String]) throws {
        let place = Place()
        let amount = ["messages=\(Int(soaking: messages))", "kills=\(Int(soaking: 12))"]
        let peer = try Peer(
            ["broadcast-torture"] + amount + words + ["directory=\(place.path)", "seconds=240", "seed=\(UInt32.random(in: 1 ... .max))"])
        let seed = try peer.line()  // what was run, to run it again
        var result = try peer.line(within: 250)
        while result.hasPrefix("counted") { result = try peer.line(within: 250) }
        #expect(result.hasPrefix("passed: ") && result.hasSuffix("each received and missed what was sent"), "\(seed): \(result)")
        #expect(try peer.wait() == 0)
        #expect(place.names == [])
    }
}
