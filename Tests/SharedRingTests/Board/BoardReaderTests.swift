import CSharedRing
import CTestSupport
import Foundation
import TestSupport
import Testing

@testable import SharedRing

@Suite("A board's readers: whole values, never an older one, from memory that can only be read", .oneByOne)
struct BoardReaderTests {
    let place = Place()

    private func board(_ keys: [String] = ["a", "b"], capacity: Int = 64) throws(RingError) -> Board {
        try Board.create("b", entries: keys.map { Board.Entry($0, capacity: capacity) }, options: place.options())
    }

    /// The blocks of the board, to be written as an untrusted peer does.
    private func withBlocks(_ body: (UnsafeMutablePointer<sr_board_control>, UnsafeMutableRawPointer) throws -> Void) throws {
        var facts = stat()
        try #require(stat(place.path("b"), &facts) == 0)
        let file = open(place.path("b"), O_RDWR)
        defer { close(file) }
        let map = try #require(mmap(nil, Int(facts.st_size), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0))
        defer { munmap(map, Int(facts.st_size)) }
        let header = map.load(as: sr_header.self)
        try body((map + Int(header.control_offset)).assumingMemoryBound(to: sr_board_control.self), map + Int(header.data_offset))
    }

    @Test("A value is whole while a writer writes without a pause, and versions never go back", arguments: [8, 64, 4096])
    func neverTorn(size: Int) throws {
        let board = try board(capacity: size)
        let isOver = Turn()
        var first = try board.makeWriter("a")
        try first.set([UInt8](repeating: 0, count: size))
        first.close()
        let writer = Worker {
            var writer = try board.makeWriter("a")
            var fill: UInt8 = 0
            while isOver.value == 0 {
                fill &+= 1
                let letter = fill
                try writer.update(byteCount: size) { span in
                    for index in 0..<size { span.storeBytes(of: letter, toByteOffset: index, as: UInt8.self) }
                }
            }
            return writer.version
        }
        defer { isOver.set(1) }
        var reader = try board.makeReader("a")
        var buffer = [UInt8](repeating: 0, count: size)
        var last: UInt64 = 0
        var reads = 0
        while reads < 5000 {
            let stamp: BoardStamp?
            do throws(RingError) {
                stamp = try reader.read(bytes: &buffer)
            } catch {
                #expect(error.code == .writerTooFast)  // on a busy machine a debug build's copy may be slower than the writer
                reads += 1
                continue
            }
            let value = try #require(stamp)
            #expect(value.version >= last)
            #expect(buffer.allSatisfy { $0 == buffer[0] }, "torn in version \(value.version)")
            last = value.version
            reads += 1
        }
        isOver.set(1)
        #expect(try writer.join() >= last)
    }

    @Test("A snapshot is a moment at which all entries stood so: the second is never ahead of the first that it follows") func snapshot()
        throws
    {
        let board = try board()
        let isOver = Turn()
        let leader = Worker {
            var writer = try board.makeWriter("a")
            var number: UInt64 = 0
            while isOver.value == 0 {
                number += 1
                try writer.set(value: number)
                sched_yield()
            }
        }
        let follower = Worker {
            var writer = try board.makeWriter("b")
            var reader = try board.makeReader("a")
            while isOver.value == 0 {
                if let number = try reader.value(as: UInt64.self) { try writer.set(value: number) }
                sched_yield()
            }
        }
        defer { isOver.set(1) }
        var view = try board.makeView(of: ["b", "a"])
        var taken = 0
        while taken < 3000 {
            taken += 1
            let values: [String: BoardValue]
            do throws(RingError) { values = try view.snapshot() } catch {
                #expect(error.code == .writerTooFast)
                continue
            }
            let ahead = values["b"]?.value(as: UInt64.self) ?? 0
            #expect(values["a"]?.value(as: UInt64.self) ?? 0 >= ahead)
        }
        isOver.set(1)
        try leader.join()
        try follower.join()
    }

    // MARK: Leave to read

    @Test(
        "Another user's board of mode 0444 is read, waited for by polling, and can't be set",
        .enabled(if: geteuid() == 0, "to be others needs root"))
    func otherUser() throws {
        var options = place.options()
        options.permissions = 0o644
        let board = try Board.create("b", entries: [Board.Entry("a", capacity: 64)], options: options)
        try board.set("a", to: "one")
        chmod(place.path, 0o755)
        chmod(place.path("b"), 0o444)
        let reader = try Peer("board-reader", of: "b", in: place, "a", "user=65534", "owner=0", "check-interval=2")
        #expect(try reader.line() == "polls")
        #expect(try reader.ask("get") == "1 one")
        #expect(try reader.ask("try-set").hasPrefix("error wrongOwner"))
        // Root writes it whatever its mode.
        reader.tell("next")
        var writer = try board.makeWriter("a")
        try writer.set("two")
        #expect(try reader.line() == "2 two")
        #expect(try RingReport("b", options: place.options()).entries[0].wakes == 0)
    }

    @Test("From a file system that is mounted for reading only", .enabled(if: geteuid() == 0, "mounting needs root")) func readOnlyMount()
        throws
    {
        guard let mountPoint = place.mountSmall(byteCount: 131072) else { return }
        defer { umount2(mountPoint, Int32(MNT_DETACH)) }
        var options = place.options()
        options.directory = mountPoint
        let board = try Board.create("b", entries: [Board.Entry("a", capacity: 64)], options: options)
        try board.set("a", to: "kept")
        try #require(mount("none", mountPoint, "tmpfs", UInt(MS_REMOUNT) | UInt(MS_RDONLY), "size=131072") == 0)
        var reader = try Board.open("b", options: options).makeReader("a", polling: .milliseconds(1))
        #expect(try reader.get()?.text == "kept")
        let isWoken = reader.isWoken
        #expect(!isWoken)
        expectError(.timedOut, saying: "change") { () throws(RingError) in _ = try reader.nextChange(timeout: .milliseconds(5)) }
        expectError(.system, saying: "Read-only") { () throws(RingError) in _ = try board.makeWriter("a") }
    }

    // MARK: Untrusted peers

    @Test("A turn that goes back, a value larger than its entry and an impossible entry are poison, and no trap") func poison() throws {
        let board = try board()
        for _ in 0..<6 { try board.set("a", to: "v") }
        var reader = try board.makeReader("a")
        #expect(try reader.get()?.version == 6)
        try withBlocks { control, values in
            let entry = sr_entry(control, 0)
            sr_store_release_u64(sr_entry_turn(entry), 5)
            expectError(.poisoned, saying: "'a'", "version 6", "version 5") { () throws(RingError) in _ = try reader.get() }
            sr_store_release_u64(sr_entry_turn(entry), 0)
            expectError(.poisoned, saying: "to none") { () throws(RingError) in _ = try reader.get() }
            sr_store_release_u64(sr_entry_turn(entry), 7)
            for slot in 0..<4 { sr_store_relaxed_u64(values + slot * 128, sr_slot_word(.max, 0)) }
            expectError(.poisoned, saying: "4294967295", "64") { () throws(RingError) in _ = try reader.get() }
            var view = try board.makeView()
            expectError(.poisoned, saying: "4294967295") { () throws(RingError) in _ = try view.snapshot() }
            let check = try RingCheck("b", options: place.options())
            #expect(check.damage.count == 1 && check.damage[0].detail.contains("4294967295"))

            for (word, what) in [(UInt64(1) << 40, "capacity"), (0, "capacity")] {
                entry.pointee.capacity = word
                expectError(.poisoned, saying: "entry 0", what) { () throws(RingError) in _ = try board.makeReader("a") }
                expectError(.poisoned, saying: "entry 0", what) { () throws(RingError) in _ = try board.makeWriter("a") }
                expectError(.poisoned, saying: "entry 0", what) { () throws(RingError) in try board.addEntry("c", capacity: 1) }
            }
            entry.pointee.capacity = 64
            for place in [UInt64.max, 1, 1 << 50, 1 << 20] {
                entry.pointee.data_offset = place
                expectError(.poisoned, saying: "entry 0", "\(place)") { () throws(RingError) in _ = try board.makeView() }
            }
            entry.pointee.data_offset = 0
            entry.pointee.key_length = 65
            expectError(.poisoned, saying: "65") { () throws(RingError) in _ = try board.makeView() }
            entry.pointee.key_length = 1
            entry.pointee.state = 9
            expectError(.poisoned, saying: "state 9") { () throws(RingError) in _ = try board.makeView() }
            let damaged = try RingCheck("b", options: place.options())
            #expect(damaged.damage.count == 1 && damaged.damage[0].detail.contains("state 9"))
        }
    }

    @Test("A turn that never holds still is an error after bounded tries, for one entry and for a snapshot") func neverStill() throws {
        let board = try board()
        try board.set("a", to: "v")
        try withBlocks { control, _ in
            let isOver = Turn()
            let address = UInt(bitPattern: sr_entry_turn(sr_entry(control, 0)))
            let stranger = Worker {
                var turn: UInt64 = 1 << 20
                while isOver.value == 0 {
                    turn &+= 100
                    sr_store_release_u64(UnsafeMutableRawPointer(bitPattern: address)!, turn)
                }
            }
            var view = try board.makeView()
            var reader = try board.makeReader("a")
            var codes: Set<RingError.Code> = []
            let end = ContinuousClock.now + patience
            while !codes.contains(.writerTooFast), ContinuousClock.now < end {
                do throws(RingError) {
                    _ = try reader.get()
                    _ = try view.snapshot()
                } catch {
                    codes.insert(error.code)
                }
            }
            isOver.set(1)
            try stranger.join()
            #expect(codes.isSubset(of: [.writerTooFast, .poisoned]))
        }
    }

    // MARK: Death

    @Test("A writer killed with SIGKILL leaves the last whole value; the next goes on at once, and who it was is shown") func death() throws
    {
        let board = try board()
        var reader = try board.makeReader("a")
        for round in 1...4 {
            let peer = try Peer("board-writer", of: "b", in: place, "a")
            #expect(try peer.ask("set r\(round)") == "version \(2 * round - 1)")
            peer.kill()
            #expect(try reader.get()?.text == "r\(round)")
            let entry = try RingReport("b", options: place.options()).entries[0]
            #expect(entry.writer.presence == .died && entry.writer.holder?.processID == UInt32(peer.pid))
            #expect(try board.set("a", to: "own") == UInt64(2 * round))
        }
        #expect(try RingReport("b", options: place.options()).entries[0].writer.presence == .closed)
        #expect(try RingCheck("b", options: place.options()).damage.isEmpty)
    }

    @Test("A forked child can use neither writer nor reader of its parent") func forked() throws {
        let board = try board()
        var writer = try board.makeWriter("a")
        var reader = try board.makeReader("a")
        try writer.set("v")
        let child = ts_split()
        if child == 0 {
            var codes: [RingError.Code] = []
            do throws(RingError) { try writer.set("w") } catch { codes.append(error.code) }
            do throws(RingError) { _ = try reader.get() } catch { codes.append(error.code) }
            ts_leave(codes == [.forked, .forked] ? 0 : 1)
        }
        #expect(end(of: child) == 0)
        #expect(try reader.get()?.text == "v")
    }

    @Test("Stale rings are removed, a board never is: its readers hold no role") func notStale() throws {
        let board = try board()
        try board.set("a", to: "v")
        let outcome = StaleRing.remove("b", options: place.options()).outcome
        guard case .kept(.holdsValues) = outcome else {
            Issue.record("\(outcome)")
            return
        }
    }
}
