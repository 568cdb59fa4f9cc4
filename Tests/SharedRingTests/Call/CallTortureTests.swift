import Foundation
import TestSupport
import Testing

/// The short form; `TestPeer call-torture` makes as many calls as one likes.
@Suite("Clients and servers killed at any moment: each call has one outcome, and the right one", .fewAtATime)
struct CallTortureTests {
    @Test(
        "Killed and replaced while calls are made, given up, refused, dropped and answered late",
        arguments: [["servers=2"], ["servers=1", "barrier=symmetric"]])
    func torture(words: [String]) throws {
        let place = Place()
        let peer = try Peer(["call-torture", "calls=5000", "kills=24", "seconds=240", "directory=\(place.path)"] + words)
        let result = try peer.line(within: 250)
        #expect(result.hasPrefix("passed: ") && result.hasSuffix("; 0 wrong"), "\(words): \(result)")
        #expect(try peer.wait() == 0)
        #expect(place.names == [])
    }

    @Test("Given up by the thousand, at deadlines and by cancellation: nothing is left of them, and the next calls work") func abandoned()
        throws
    {
        let place = Place()
        let peer = try Peer(["call-abandon-torture", "calls=3000", "seconds=240", "directory=\(place.path)"])
        #expect(try peer.line().hasPrefix("call-abandon-torture "))
        let result = try peer.line(within: 250)
        #expect(result.hasPrefix("passed: "), "\(result)")
        #expect(try peer.wait() == 0)
        #expect(place.names == [])
    }
}
