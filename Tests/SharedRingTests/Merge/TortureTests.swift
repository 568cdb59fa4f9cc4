import Foundation
import TestSupport
import Testing

/// The short form; stage `torture` has five times as much, and `TestPeer torture` runs for as long as one likes.
@Suite("Whichever process is killed or stopped, whenever: nothing sent is lost, doubled or changed", .fewAtATime)
struct TortureTests {
    @Test(
        "Senders and receivers killed, stopped and replaced at random",
        arguments: [
            (4000, ["kind=mpsc"]), (4000, ["kind=mpsc", "kill-receiver=yes"]),
            (2000, ["kind=mpsc", "order=total", "kill-receiver=yes"]),
            (12000, ["kind=spsc", "kill-receiver=yes"]),
            (4000, ["kind=spsc", "capacity=4096", "kill-receiver=yes"]),
        ])
    func torture(messages: Int, words: [String]) throws {
        let place = Place()
        let peer = try Peer(
            ["torture", "messages=\(Int(soaking: messages))"] + words
                + ["directory=\(place.path)", "seconds=240", "seed=\(UInt32.random(in: 1 ... .max))"])
        let seed = try peer.line()  // what was run, to run it again
        let result = try peer.line(within: 250)
        #expect(result.hasPrefix("passed: ") && result.hasSuffix("0 lost, 0 doubled"), "\(seed): \(result)")
        #expect(try peer.wait() == 0)
        #expect(place.names == [])
    }
}
