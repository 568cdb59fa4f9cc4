import CSharedRing
import Foundation
import TestSupport
import Testing

@testable import SharedRing

@Suite("A name that has come to stand for another kind: an error names both, and nothing traps", .oneByOne)
struct OtherKindTests {
    let place = Place()

    /// Puts a segment of that kind under the name.
    private func put(_ kind: RingKind) throws {
        let options = place.options()
        switch kind {
        case .spsc: _ = try SPSCRing.create("r", options: options)
        case .mpsc: _ = try MPSCRing.create("r", lanes: 2, options: options)
        case .broadcast: _ = try BroadcastRing.create("r", subscribers: 2, options: options)
        case .board: _ = try Board.create("r", entries: [Board.Entry("a", capacity: 8)], options: options)
        case .call: _ = try CallService.create("r", options: options)
        @unknown default: Issue.record("no such kind here: \(kind)")
        }
    }

    private func replace(with kind: RingKind) throws {
        unlink(place.path("r"))
        try put(kind)
    }

    /// Holds every byte that a role may have.
    private func holdAll() -> Int32 {
        let file = open(place.path("r"), O_RDWR)
        #expect(sr_lock(file, sr_lock_first(), 0) == 0)
        return file
    }

    private func refused(_ body: () throws(RingError) -> Void) {
        expectError(.incompatible, saying: "of kind") { () throws(RingError) in try body() }
    }

    @Test(
        "Whatever it was and is now, and whether its bytes are held", arguments: [RingKind.spsc, .mpsc, .broadcast, .board, .call],
        [false, true])
    func replaced(now: RingKind, isHeld: Bool) throws {
        let options = place.options()
        let spsc = try SPSCRing.openOrCreate("r", options: options)
        try replace(with: .mpsc)
        let mpsc = try MPSCRing.openOrCreate("r", lanes: 2, options: options)
        try replace(with: .broadcast)
        let broadcast = try BroadcastRing.openOrCreate("r", subscribers: 2, options: options)
        try replace(with: .board)
        let board = try Board.openOrCreate("r", entries: [Board.Entry("a", capacity: 8)], options: options)
        try replace(with: .call)
        let service = try CallService.openOrCreate("r", options: options)
        try replace(with: now)
        let file = isHeld ? holdAll() : -1
        if now != .spsc {
            refused { () throws(RingError) in _ = try spsc.makeProducer() }
            refused { () throws(RingError) in _ = try spsc.makeConsumer() }
        }
        if now != .mpsc {
            refused { () throws(RingError) in _ = try mpsc.makeProducer() }
            refused { () throws(RingError) in _ = try mpsc.makeConsumer() }
        }
        if now != .broadcast {
            refused { () throws(RingError) in _ = try broadcast.makePublisher() }
            for delivery in [Subscriber.Delivery.reliable, .lossy] {
                refused { () throws(RingError) in _ = try broadcast.makeSubscriber(delivery) }
            }
        }
        if now != .board {
            refused { () throws(RingError) in _ = try board.makeWriter("a") }
            refused { () throws(RingError) in _ = try board.makeReader("a") }
        }
        if now != .call {
            refused { () throws(RingError) in _ = try service.makeServer() }
            refused { () throws(RingError) in _ = try service.makeClient() }
        }
        if isHeld { close(file) }
        #expect(place.names == ["r"])
    }

    @Test("A board that was made anew with more entries: an entry of it that the handle's board had no room for is set") func largerBoard()
        throws
    {
        let options = place.options()
        let handle = try Board.openOrCreate("b", entries: [Board.Entry("a", capacity: 8)], options: options)
        try Board.remove("b", options: options)
        let larger = try Board.create("b", entries: ["a", "b", "c"].map { Board.Entry($0, capacity: 8) }, options: options)
        // Held for a while, so that the handle waits for the entry.
        let writer = try larger.makeWriter("c")
        expectError(.timedOut, saying: "entry 2") { () throws(RingError) in try handle.set("c", to: "new", timeout: .milliseconds(5)) }
        writer.close()
        try handle.set("c", to: "new")
        var reader = try larger.makeReader("c")
        #expect(try reader.get()?.text == "new")
    }
}
