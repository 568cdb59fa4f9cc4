import Foundation
import TestSupport
import Testing

@testable import SharedRing

@Suite("A board gives the newest whole value to every reader", .oneByOne)
struct BoardTests {
    let place = Place()

    func board(_ entries: [Board.Entry] = [Board.Entry("rate", capacity: 48)], room: Board.Room = .none, keepsTime: Bool = false) throws
        -> Board
    {
        try Board.create("b", entries: entries, room: room, keepsTime: keepsTime, options: place.options())
    }

    @Test("A writer and a reader in two processes: each value is read, with its version; before the first there is none")
    func twoProcesses() throws {
        _ = try board()
        let reader = try Peer("board-reader", of: "b", in: place, "rate")
        #expect(try reader.line() == "woken")
        #expect(try reader.ask("get") == "nothing")
        let writer = try Peer("board-writer", of: "b", in: place, "rate")
        for version in 1...10 {
            #expect(try writer.ask("set value \(version)") == "version \(version)")
            #expect(try reader.ask("get") == "\(version) value \(version)")
        }
        #expect(try writer.ask("close") == "closed")
        #expect(try reader.ask("get") == "10 value 10")
    }

    @Test("A reader that waits in another process is told of the newest value") func waits() throws {
        _ = try board()
        let reader = try Peer("board-reader", of: "b", in: place, "rate", "waiting=sleep", "check-interval=3600000")
        #expect(try reader.line() == "woken")
        var writer = try board(opened: "b").makeWriter("rate")
        for version in 1...5 {
            reader.tell("next")
            if version > 1 { usleep(2000) }  // more often asleep than not; either way is right
            try writer.set("v\(version)")
            #expect(try reader.line() == "\(version) v\(version)")
        }
    }

    func board(opened name: String) throws -> Board { try Board.open(name, options: place.options()) }
}
