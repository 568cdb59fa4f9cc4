import CSharedRing
import Foundation
import TestSupport
import Testing

@testable import SharedRing

@Suite("A board's changes: told once, the last never missed, by whatever way one waits", .oneByOne)
struct BoardWaitingTests {
    let place = Place()

    private func board(_ keys: [String] = ["a", "b", "c"], room: Board.Room = .none, barrier: RingOptions.Barrier = .automatic) throws
        -> Board
    {
        var options = place.options()
        options.barrier = barrier
        return try Board.create("b", entries: keys.map { Board.Entry($0, capacity: 64) }, room: room, options: options)
    }

    /// A reader that only the writer wakes.
    private let patient = EndpointOptions(checkInterval: longCheckInterval)

    @Test("Many changes before a look are one, with the last version; what was read is known") func coalesces() throws {
        let board = try board()
        var writer = try board.makeWriter("a")
        var reader = try board.makeReader("a", options: patient)
        expectError(.timedOut, saying: "board 'b'", "change") { () throws(RingError) in _ = try reader.nextChange(timeout: .zero) }
        for number in 1...10 { try writer.set("\(number)") }
        #expect(try reader.nextChange(timeout: patience) == 10)
        expectError(.timedOut) { () throws(RingError) in _ = try reader.nextChange(timeout: .zero) }
        try writer.set("11")
        #expect(try reader.get()?.version == 11)
        expectError(.timedOut) { () throws(RingError) in _ = try reader.nextChange(timeout: .zero) }
        #expect(try reader.nextChange(after: 3, timeout: .zero) == 11)
        try writer.set("12")
        let value = try reader.next(timeout: patience)
        #expect(value.text == "12" && value.version == 12)
    }

    @Test(
        "Waiters asleep in threads, of one entry and of all, each come to the last value",
        arguments: [RingOptions.Barrier.automatic, .symmetric], [WaitStrategy.sleep, .adaptive])
    func threads(barrier: RingOptions.Barrier, waiting: WaitStrategy) throws {
        let board = try board(barrier: barrier)
        let last: UInt64 = 300
        let waiters = (0..<3).map { _ in
            Worker { [patient] in
                var reader = try board.makeReader("a", waiting: waiting, options: patient)
                var version: UInt64 = 0
                while version < last {
                    let next = try reader.nextChange(timeout: patience)
                    #expect(next > version)
                    version = next
                }
            }
        }
        let ofAny = Worker { [patient] in
            var view = try board.makeView(of: ["c", "a"], waiting: waiting, options: patient)
            var seen: [String: UInt64] = [:]
            while seen["a"] != last || seen["c"] != last {
                for change in try view.nextChanges(timeout: patience) {
                    #expect(change.version > seen[change.key] ?? 0)
                    seen[change.key] = change.version
                }
            }
            #expect(seen["b"] == nil)
        }
        var a = try board.makeWriter("a")
        var b = try board.makeWriter("b")
        var c = try board.makeWriter("c")
        for number in 1...last {
            try a.set(value: number)
            try b.set(value: number)
            try c.set(value: number)
            if number % 16 == 0 { usleep(200) }  // so that they fall asleep now and then
        }
        for waiter in waiters { try waiter.join() }
        try ofAny.join()
    }

    @Test("A view of all entries hears of those that are added while it waits") func addedLater() throws {
        let board = try board(["a"], room: Board.Room(entries: 2, byteCount: 256))
        let waiter = Worker { [patient] in
            var view = try board.makeView(waiting: .sleep, options: patient)
            return try view.nextChanges(timeout: patience)
        }
        usleep(2000)
        try board.addEntry("new", capacity: 64)
        try board.set("new", to: "x")
        #expect(try waiter.join() == [BoardView.Change(key: "new", version: 1)])
    }

    @Test("Without a thread: tasks are told of the last value, and a cancelled task leaves") func tasks() async throws {
        let board = try board()
        let task = Task { [patient] () async throws -> UInt64 in
            var reader = try board.makeReader("a", options: patient)
            var version: UInt64 = 0
            while true {
                let value = try await reader.next(timeout: asyncPatience)
                #expect(value.version > version)
                version = value.version
                if value.text == "last" { return version }
            }
        }
        var writer = try board.makeWriter("a")
        for number in 1...50 {
            try writer.set("\(number)")
            if number % 10 == 0 { try await Task.sleep(for: .milliseconds(1)) }
        }
        try writer.set("last")
        #expect(try await task.value == 51)

        let lonely = Task { [patient] () async throws -> RingError.Code in
            var view = try board.makeView(of: ["b"], options: patient)
            do throws(RingError) { _ = try await view.nextChanges() } catch { return error.code }
            return .system
        }
        lonely.cancel()
        let outcome = try await lonely.value
        #expect(outcome == .cancelled)
    }

    @Test("An event source is readable while there is a change that the reader does not know") func eventSource() throws {
        let board = try board()
        var writer = try board.makeWriter("a")
        var source = try board.makeReader("a", options: patient).eventSource()
        func isReadable(_ descriptor: Int32, _ milliseconds: Int32 = 0) -> Bool {
            var event = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            return poll(&event, 1, milliseconds) == 1
        }
        let descriptor = source.descriptor
        #expect(isReadable(descriptor))
        #expect(try source.poll() == nil)
        #expect(!isReadable(descriptor))
        for number in 1...20 {
            try writer.set("\(number)")
            #expect(isReadable(descriptor, patienceMilliseconds))
            #expect(try source.poll() == UInt64(number))
            let text = try source.withReader { reader throws(RingError) in try reader.get()?.text }
            #expect(text == "\(number)")
            #expect(try source.poll() == nil)
        }
        var reader = source.reader()
        #expect(try reader.get()?.text == "20")
    }

    @Test("A canceller ends a wait, and the next ones, until it is reset") func canceller() throws {
        let board = try board()
        var reader = try board.makeReader("a", waiting: .sleep, options: patient)
        let canceller = reader.canceller
        let other = Worker {
            usleep(2000)
            canceller.cancel()
        }
        expectError(.cancelled, saying: "change") { () throws(RingError) in _ = try reader.nextChange(timeout: patience) }
        try other.join()
        canceller.reset()
        try board.set("a", to: "x")
        #expect(try reader.nextChange(timeout: patience) == 1)
    }

    @Test("A wait for a board that was removed ends, saying so") func removed() throws {
        let board = try board()
        var reader = try board.makeReader("a", options: EndpointOptions(checkInterval: .milliseconds(5)))
        try board.set("a", to: "x")
        #expect(try reader.nextChange(timeout: patience) == 1)
        try Board.remove("b", options: place.options())
        expectError(.notFound, saying: "removed") { () throws(RingError) in _ = try reader.nextChange(timeout: patience) }
        #expect(try reader.get()?.text == "x")
    }
}
