import Foundation
import TestSupport
import Testing

/// The short form; `TestPeer torture` runs for as long as one likes.
@Suite("Whoever is killed or stopped, whenever: nothing sent is lost, doubled or changed", .oneByOne)
struct TortureTests {
    @Test(
        "Senders and receivers killed, stopped and replaced at random",
        arguments: [
            ["kind=mpsc", "messages=20000"], ["kind=mpsc", "messages=20000", "kill-receiver=yes"],
            ["kind=mpsc", "order=total", "messages=10000", "kill-receiver=yes"],
            ["kind=spsc", "messages=60000", "kill-receiver=yes"],
            ["kind=spsc", "messages=20000", "capacity=4096", "kill-receiver=yes"],
        ])
    func torture(words: [String]) throws {
        let place = Place()
        let peer = try Peer(
            ["torture"] + words + ["directory=\(place.path)", "seconds=240", "seed=\(UInt32.random(in: 1 ... .max))"])
        let seed = try peer.line()  // what was run, to run it again
        let result = try peer.line(within: 250)
        #expect(result.hasPrefix("passed: ") && result.hasSuffix("0 lost, 0 doubled"), "\(seed): \(result)")
        #expect(try peer.wait() == 0)
        #expect(place.names == [])
    }
}
