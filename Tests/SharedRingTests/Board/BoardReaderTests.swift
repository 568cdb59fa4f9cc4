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

    @Test("Values are read as vectors; one of another size is none") func vectors() throws {
        let board = try board()
        var reader = try board.makeReader("a")
        #expect(try reader.value(as: SIMD4<Float>.self) == nil, "there is none yet")
        try board.set("a", to: unsafe [SIMD4<Float>(1, 2, 3, 4)].withUnsafeBytes { Array($0) })
        #expect(try reader.value(as: SIMD4<Float>.self) == SIMD4(1, 2, 3, 4))
        let value = try #require(try reader.get())
        #expect(value.value(as: SIMD4<Float>.self) == SIMD4(1, 2, 3, 4) && value.value(as: SIMD8<Float>.self) == nil)
        expectError(.sizeMismatch, saying: "16 bytes", "32") { () throws(RingError) in _ = try reader.value(as: SIMD8<Float>.self) }
        try board.set("a", to: [7])
        expectError(.sizeMismatch, saying: "a value of 1 byte,") { () throws(RingError) in _ = try reader.value(as: Int32.self) }
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
            let values: BoardValues
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

    @Test("The next writer leaves the slot of the newest value alone: readers take that value until the new one is committed")
    func nextWriter() throws {
        let board = try board()
        var reader = try board.makeReader("a")
        for number in 1...6 as ClosedRange<UInt8> {
            var writer = try board.makeWriter("a")
            let version = try writer.update(byteCount: 64) { span in
                for index in 0..<64 { span.storeBytes(of: number, toByteOffset: index, as: UInt8.self) }
                let value = try reader.get()
                #expect(value?.version ?? 0 == UInt64(number) - 1)
                #expect(value.map { $0.bytes == [UInt8](repeating: number - 1, count: 64) } ?? (number == 1))
            }
            #expect(version == UInt64(number))
            writer.close()
        }
    }

    // MARK: Leave to read

    @Test(
        "Another user's board of mode 0444 is read, waited for by polling, and can't be set",
        .enabled(if: geteuid() == 0, "to be others needs root"))
    func otherUser() throws {
        var options = place.options()
        options.permissions = 0o644
        let board = try Board.create("b", entries: [Board.Entry("a", capacity: 64)], keepsTime: true, options: options)
        try board.set("a", to: "one")
        chmod(place.path, 0o755)
        chmod(place.path("b"), 0o444)
        let reader = try Peer("board-reader", of: "b", in: place, "a", "user=65534", "owner=0", "check-interval=2")
        #expect(try reader.line() == "polls")
        #expect(try reader.ask("get") == "1 one")
        #expect(try reader.ask("try-set").hasPrefix("error wrongOwner"))
        // Every way to read and to wait.
        #expect(try reader.ask("view") == "a=1:one")
        #expect(try reader.ask("snapshot") == "a=1:one")
        #expect(try reader.ask("task") == "a=1:one")
        #expect(try reader.ask("source") == "armed 1")
        try #require(try board.set("a", to: "12345678", tag: 7) == 2)
        #expect(try reader.line() == "a=2")
        let value = "12345678".utf8.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        let typed = try reader.ask("typed").split(separator: " ")
        #expect(typed.count == 3 && typed[0] == "\(value)" && typed[1] == "7" && typed[2] != "0")
        // Root writes it whatever its mode.
        reader.tell("next")
        var writer = try board.makeWriter("a")
        // Of a version that is not newer the reader would not be told.
        try #require(try writer.set("two") == 3)
        #expect(try reader.line() == "3 two")
        #expect(try board.report().entries[0].wakes == 0)
    }

    @Test(
        "By a descriptor, another user reads a board of mode 0444, and can't set it",
        .enabled(if: geteuid() == 0, "to be others needs root"))
    func otherUserByDescriptor() throws {
        let board = try Board.anonymous(entries: [Board.Entry("a", capacity: 64)])
        try board.set("a", to: "one")
        let descriptor = try board.duplicateDescriptor(inheritable: true)
        defer { close(descriptor) }
        try #require(fchmod(descriptor, 0o444) == 0)
        let reader = try Peer(["board-reader", "b", "a", "fd=\(descriptor)", "user=65534", "owner=0", "check-interval=2"])
        #expect(try reader.line() == "attached")
        #expect(try reader.line() == "polls")
        #expect(try reader.ask("get") == "1 one")
        #expect(try reader.ask("snapshot") == "a=1:one")
        #expect(try reader.ask("try-set").hasPrefix("error system"))
        reader.tell("next")
        try #require(try board.set("a", to: "two") == 2)
        #expect(try reader.line() == "2 two")
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

    @Test("No value older than a change that was reported is read") func olderThanReported() throws {
        let board = try board()
        for _ in 0..<6 { try board.set("a", to: "v") }
        var reader = try board.makeReader("a")
        #expect(try reader.nextChange(timeout: .zero) == 6)
        try withBlocks { control, _ in
            sr_store_release_u64(sr_entry_turn(sr_entry(control, 0)), 5)
            expectError(.poisoned, saying: "'a'", "version 6", "version 5") { () throws(RingError) in _ = try reader.get() }
        }
    }

    @Test("Changes whose values can't all be read are reported again, with the last version of each") func unreadChanges() throws {
        let board = try board()
        var view = try board.makeView(of: ["a", "b"])
        for key in ["a", "b"] { try board.set(key, to: key) }
        try withBlocks { control, values in
            // The header of version 1 of entry "b".
            let header = values + Int(sr_entry(control, 1).pointee.data_offset) + 128
            let word = sr_load_relaxed_u64(header)
            sr_store_relaxed_u64(header, sr_slot_word(.max, 0))
            expectError(.poisoned, saying: "'b'", "4294967295") { () throws(RingError) in _ = try view.next(timeout: .zero) }
            sr_store_relaxed_u64(header, word)
        }
        let read = try view.next(timeout: .zero)
        #expect(read.map { "\($0.key)=\($0.value.text)" } == ["a=a", "b=b"])
        expectError(.timedOut) { () throws(RingError) in _ = try view.next(timeout: .zero) }
    }

    @Test("A writer checks behind its byte that the entry is the one that it found") func otherEntry() throws {
        let board = try board()
        let segment = try board.handle.openSegment()
        let found = try #require(try BoardWriterCore.find(Array("a".utf8), in: segment, board.handle))
        try withBlocks { control, _ in
            sr_entry(control, 0).pointee.key.0 = UInt8(ascii: "z")
            expectError(.poisoned, saying: "'a'", "changed its key") { () throws(RingError) in
                _ = try BoardWriterCore(found, in: segment, of: board.handle, until: .never)
            }
        }
    }

    @Test("Entries that lie over each other are poison for every call, and no sum of their values is allocated") func overlap() throws {
        // Each of them says that it has nearly all of the board, and a value of that size: together some 4 GiB.
        let count = 4096
        let capacity = (1 << 20) - 64
        let board = try Board.create(
            "b", entries: [Board.Entry("0", capacity: capacity)], room: Board.Room(entries: count - 1, byteCount: 1),
            options: place.options())
        try board.set("0", to: [UInt8](repeating: 1, count: capacity))
        var early = try board.makeView()
        #expect(try early.snapshot().count == 1)
        try withBlocks { control, _ in
            let first = sr_entry(control, 0)
            for number in 1..<UInt32(count) {
                let entry = sr_entry(control, number)
                entry.pointee.capacity = first.pointee.capacity
                entry.pointee.key_length = 2
                entry.pointee.key.0 = UInt8(truncatingIfNeeded: number & 63) + 48
                entry.pointee.key.1 = UInt8(truncatingIfNeeded: number >> 6) + 48
                entry.pointee.turn = 1
                entry.pointee.state = 1
            }
        }
        let facts = ["entry 1", "among those of the entry before"]
        expectError(.poisoned, saying: facts[0], facts[1]) { () throws(RingError) in _ = try board.makeView() }
        expectError(.poisoned, saying: facts[0], facts[1]) { () throws(RingError) in _ = try board.makeView(of: ["0", "10"]) }
        expectError(.poisoned, saying: facts[0], facts[1]) { () throws(RingError) in _ = try board.makeReader("10") }
        expectError(.poisoned, saying: facts[0], facts[1]) { () throws(RingError) in _ = try board.makeWriter("10") }
        expectError(.poisoned, saying: facts[0], facts[1]) { () throws(RingError) in _ = try board.set("10", to: "x", timeout: .zero) }
        expectError(.poisoned, saying: facts[0], facts[1]) { () throws(RingError) in try board.addEntry("new", capacity: 1) }
        // A view that was there before them takes none in.
        expectError(.poisoned, saying: facts[0], facts[1]) { () throws(RingError) in _ = try early.snapshot() }
        #expect(try board.check().damage.first?.detail.contains(facts[1]) == true)
        var reader = try board.makeReader("0")
        #expect(try reader.get()?.bytes.count == capacity)
    }

    @Test("A turn of 2^63 or more is poison for readers and writers, and damage for a check") func impossibleTurn() throws {
        let board = try board()
        try withBlocks { control, _ in
            for turn in [UInt64(1) << 63, .max] {
                sr_store_release_u64(sr_entry_turn(sr_entry(control, 0)), turn)
                var reader = try board.makeReader("a")
                expectError(.poisoned, saying: "'a'", "\(turn)", "2^63") { () throws(RingError) in _ = try reader.get() }
                expectError(.poisoned, saying: "'a'", "\(turn)", "2^63") { () throws(RingError) in _ = try reader.nextChange(timeout: .zero)
                }
                expectError(.poisoned, saying: "'a'", "\(turn)", "2^63") { () throws(RingError) in _ = try board.makeWriter("a") }
                #expect(try board.check().damage.first?.detail.contains("\(turn)") == true)
            }
        }
    }

    @Test("A change to an older version than one that was told is poison, also if none was read") func changeBack() throws {
        let board = try board()
        for _ in 0..<6 { try board.set("a", to: "v") }
        var reader = try board.makeReader("a")
        var view = try board.makeView()
        #expect(try reader.nextChange(timeout: .zero) == 6)
        #expect(try view.nextChanges(timeout: .zero) == [BoardView.Change(key: "a", version: 6)])
        try withBlocks { control, values throws in
            for (turn, what) in [(UInt64(5), "version 5"), (0, "to none")] {
                sr_store_release_u64(sr_entry_turn(sr_entry(control, 0)), turn)
                expectError(.poisoned, saying: "'a'", "version 6", what) { () throws(RingError) in
                    _ = try reader.nextChange(timeout: .zero)
                }
                expectError(.poisoned, saying: "'a'", "version 6", what) { () throws(RingError) in
                    _ = try view.nextChanges(timeout: .zero)
                }
                expectError(.poisoned, saying: "version 6", what) { () throws(RingError) in _ = try reader.get() }
            }
            // A value that can't be read does not count as told: what is there afterwards is not missed.
            sr_store_release_u64(sr_entry_turn(sr_entry(control, 0)), 7)
            let slot = values + 3 * 128
            let word = sr_load_relaxed_u64(slot)
            sr_store_relaxed_u64(slot, sr_slot_word(65, 0))
            expectError(.poisoned, saying: "65") { () throws(RingError) in _ = try reader.next(timeout: .zero) }
            expectError(.poisoned, saying: "65") { () throws(RingError) in _ = try view.next(timeout: .zero) }
            sr_store_relaxed_u64(slot, word)
            #expect(try reader.next(timeout: .zero).version == 7)
            #expect(try view.next(timeout: .zero)["a"]?.version == 7)
            expectError(.timedOut) { () throws(RingError) in _ = try view.next(timeout: .zero) }
        }
    }

    @Test("Keys are compared by their bytes: texts that look the same are two entries, in a snapshot as well") func keysAreBytes() throws {
        let (composed, decomposed) = ("caf\u{E9}", "cafe\u{301}")
        try #require(composed == decomposed)
        let board = try board([composed, decomposed])
        try board.set(composed, to: "one")
        try board.set(decomposed, to: "two")
        var view = try board.makeView()
        let all = try view.snapshot()
        #expect(all.count == 2 && all.map(\.value.text) == ["one", "two"])
        #expect(all[composed]?.text == "one" && all[decomposed]?.text == "two" && all["cafe"] == nil)
    }

    @Test("A turn that never holds still is an error after bounded tries, for one entry and for a snapshot") func neverStill() throws {
        let board = try board()
        try board.set("a", to: String(repeating: "v", count: 48))
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
            // A thousand tries in vain may never come; one does, as soon as the other thread runs in the midst of it.
            reader.core.mostTries = 1
            view.core.mostTries = 1
            func code(_ body: () throws(RingError) -> Void) -> RingError.Code? {
                let end = ContinuousClock.now + patience
                while ContinuousClock.now < end {
                    do throws(RingError) { try body() } catch { return error.code }
                }
                return nil
            }
            #expect(code { () throws(RingError) in _ = try reader.get() } == .writerTooFast)
            #expect(code { () throws(RingError) in _ = try view.snapshot() } == .writerTooFast)
            isOver.set(1)
            try stranger.join()
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
