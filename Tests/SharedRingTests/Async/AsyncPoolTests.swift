import TestSupport
import Testing

@Suite("Asynchronous calls hold no thread of the pool", .oneByOne)
struct AsyncPoolTests {
    @Test(
        "With one thread for all tasks both ends of a ring go on, whichever way they send and receive",
        arguments: ["bytes", "claim", "batch", "receive", "peer", "many"])
    func poolOfOne(what: String) throws {
        let peer = try Peer(["pool", what])
        #expect(try peer.line() == "done 400")
        #expect(try peer.wait() == 0)
    }

    @Test("A flush that has to wait lets the other tasks go on; the form that blocks would not")
    func flush() throws {
        let peer = try Peer(["pool", "flush"])
        #expect(try peer.line() == "done flushing")
        let blocking = try Peer(["pool", "flush-blocking"])
        #expect(try blocking.line() == "never flushed")
    }
}
