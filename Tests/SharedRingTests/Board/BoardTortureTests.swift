import Foundation
import TestSupport
import Testing

/// The short form; `TestPeer board-torture` writes as much as one likes.
@Suite("A board's writers killed at any moment: no torn value, no step back, no waiter that misses the last", .fewAtATime)
struct BoardTortureTests {
    @Test(
        "Writers killed and replaced while readers read and waiters sleep",
        arguments: [["size=48", "kills=12"], ["size=8", "kills=12", "time=yes"], ["size=4096", "kills=12"]])
    func torture(words: [String]) throws {
        let place = Place()
        let peer = try Peer(["board-torture", "writes=20000", "seconds=240", "directory=\(place.path)"] + words)
        let result = try peer.line(within: 250)
        #expect(result.hasPrefix("passed: ") && result.hasSuffix("0 torn, 0 steps back, 0 missed"), "\(words): \(result)")
        #expect(try peer.wait() == 0)
        #expect(place.names == [])
    }
}
