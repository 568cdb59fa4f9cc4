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
        // A version that has not come yet is waited for, and the next one behind it is told.
        expectError(.timedOut) { () throws(RingError) in _ = try reader.nextChange(after: 11, timeout: .zero) }
        expectError(.timedOut) { () throws(RingError) in _ = try reader.nextChange(after: 12, timeout: .zero) }
        expectError(.timedOut) { () throws(RingError) in _ = try reader.nextChange(after: .max, timeout: .zero) }
        #expect(try reader.get()?.version == 11)  // from here on it knows what it read
        try writer.set("12")
        let value = try reader.next(timeout: patience)
        #expect(value.text == "12" && value.version == 12)
        expectError(.timedOut) { () throws(RingError) in _ = try reader.nextChange(after: 13, timeout: .zero) }
        try writer.set("13")
        expectError(.timedOut) { () throws(RingError) in _ = try reader.nextChange(timeout: .zero) }
        try writer.set("14")
        #expect(try reader.nextChange(timeout: .zero) == 14)
    }

    @Test("A view begins behind the versions that its caller knows, and gives values with its changes") func viewAfter() throws {
        let board = try board()
        for number in 1...3 { try board.set("a", to: "a\(number)") }
        try board.set("c", to: "c1")
        var view = try board.makeView(of: ["c", "a"], options: patient)
        let known = try view.nextChanges(timeout: .zero)
        #expect(known == [BoardView.Change(key: "c", version: 1), BoardView.Change(key: "a", version: 3)])
        expectError(.timedOut) { () throws(RingError) in _ = try view.nextChanges(timeout: .zero) }
        expectError(.timedOut) { () throws(RingError) in _ = try view.nextChanges(after: known, timeout: .zero) }
        let older = BoardView.Change(key: "a", version: 2)
        #expect(try view.nextChanges(after: [older], timeout: .zero) == [known[1]])
        expectError(.entryNotFound, saying: "'b'") { () throws(RingError) in
            _ = try view.nextChanges(after: [BoardView.Change(key: "b", version: 0)], timeout: .zero)
        }
        try board.set("a", to: "a4")
        let values = try view.next(timeout: patience)
        #expect(values.count == 1 && values["a"]?.text == "a4" && values["c"] == nil)
        expectError(.timedOut) { () throws(RingError) in _ = try view.next(timeout: .zero) }
    }

    @Test("Of all readers that sleep on an entry one call wakes all, and one more those that sleep on the board; then none is made")
    func oneWake() throws {
        let board = try board()
        func sleepers(_ count: Int, _ begin: @escaping @Sendable (Turn) throws -> UInt64) -> [(Turn, Worker<UInt64>)] {
            (0..<count).map { _ in
                let sleeps = Turn()
                return (sleeps, Worker { try begin(sleeps) })
            }
        }
        /// Says with `turn` where the count of its sleeps stands.
        @Sendable func address(_ core: BoardReaderCore) -> Int { Int(bitPattern: core.sleeper.sleeps) }
        let ofEntry = sleepers(4) { [patient] place in
            var reader = try board.makeReader("a", waiting: .sleep, options: patient)
            place.set(address(reader.core))
            return try reader.nextChange(timeout: patience)
        }
        let ofBoard = sleepers(3) { [patient] place in
            var view = try board.makeView(waiting: .sleep, options: patient)
            place.set(address(view.core))
            return try view.nextChanges(timeout: patience)[0].version
        }
        for (place, _) in ofEntry + ofBoard {
            // The reader lives until its worker ends, and that waits for the value. It has declared that it sleeps before it counts that.
            #expect(eventually { place.value != 0 && sr_load_acquire_u64(UnsafeMutablePointer<UInt64>(bitPattern: place.value)!) > 0 })
        }
        var writer = try board.makeWriter("a")
        try writer.set("now")
        // The writer counts a wake before it makes the call.
        #expect(try board.report().entries[0].wakes == 2)
        for (_, worker) in ofEntry + ofBoard { #expect(try worker.join() == 1) }
        for _ in 0..<100 { try writer.set("quiet") }
        #expect(try board.report().entries[0].wakes == 2)
    }

    @Test("A view with an event source keeps its entries until it looks, whatever is added meanwhile") func eventSourceOfView() throws {
        let board = try board(["a"], room: Board.Room(entries: 8, byteCount: 1024))
        var source = try board.makeView(options: patient).eventSource()
        let descriptor = source.descriptor
        func isReadable() -> Bool {
            var event = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            return poll(&event, 1, patienceMilliseconds) == 1
        }
        var keys = ["a"]
        for number in 0..<8 {
            #expect(try source.poll() == nil)
            let key = "new \(number)"
            try board.addEntry(key, capacity: 64)
            try board.set(key, to: "x")
            #expect(isReadable())
            // The waiter thread has seen the entry, and left the owner's list alone.
            #expect(source.withReader { $0.keys } == keys)
            keys.append(key)
            #expect(try source.poll() == [BoardView.Change(key: key, version: 1)])
            #expect(source.withReader { $0.keys } == keys)
        }
        #expect(try source.poll() == nil)
        try board.set("a", to: "y")
        #expect(isReadable())
        #expect(try source.poll() == [BoardView.Change(key: "a", version: 1)])
        try board.set("a", to: "z")
        let values = try source.withReader { view throws(RingError) in try view.next(timeout: .zero) }
        #expect(values.count == 1 && values["a"]?.text == "z")
    }

    @Test("Without a thread: a view's changes and values, and what is added") func viewTasks() async throws {
        let board = try board(["a"], room: Board.Room(entries: 1, byteCount: 64))
        let task = Task { [patient] () async throws -> [String] in
            var view = try board.makeView(options: patient)
            var texts: [String] = []
            while texts.count < 2 {
                for (key, value) in try await view.next(timeout: asyncPatience) { texts.append("\(key)=\(value.text)") }
            }
            return texts
        }
        try await board.set("a", to: "1")
        try await board.addEntry("b", capacity: 8)
        try await board.set("b", to: "2")
        #expect(try await task.value == ["a=1", "b=2"])
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

    @Test("The last value before a removal is told, also if both come between a wait's two looks") func lastBeforeRemoval() throws {
        let board = try board()
        let core = try board.makeReader("a").core
        func news() throws(RingError) -> UInt64? { try core.takeChanges().first?.version }
        func setAndRemove() -> Bool {
            do throws(RingError) {
                try board.set("a", to: "last", timeout: .zero)
                try Board.remove("b", options: place.options())
            } catch {
                Issue.record("\(error)")
            }
            return core.board.isRemoved
        }
        #expect(try news() == nil)
        #expect(try core.changesOrRemoval(isRemoved: setAndRemove(), news) == 1)
        expectError(.notFound, saying: "removed") { () throws(RingError) in
            _ = try core.changesOrRemoval(isRemoved: core.board.isRemoved, news)
        }
    }
}
