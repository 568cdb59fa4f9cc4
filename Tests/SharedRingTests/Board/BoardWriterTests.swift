import CSharedRing
import Foundation
import TestSupport
import Testing

@testable import SharedRing

/// A value of three words that agree only if they were written together.
private struct Triple: AnyBytes, Equatable {
    var first: UInt64
    var second: UInt64
    var third: UInt64

    init(_ number: UInt64) { (first, second, third) = (number, ~number, number &* 31) }
    var isWhole: Bool { self == Triple(first) }
}

@Suite("A board's writers: one an entry, in place or by copy, each value a version", .oneByOne)
struct BoardWriterTests {
    let place = Place()

    private func board(
        _ entries: [Board.Entry] = [Board.Entry("rate", capacity: 48)], room: Board.Room = .none, keepsTime: Bool = false,
        _ name: String = "b"
    ) throws(RingError) -> Board {
        try Board.create(name, entries: entries, room: room, keepsTime: keepsTime, options: place.options())
    }

    @Test("Bytes, texts and values come back as they were set, with tag and version, of every size up to the capacity")
    func kinds() throws {
        let board = try board()
        var writer = try board.makeWriter("rate")
        var reader = try board.makeReader("rate")
        #expect(try reader.get() == nil)
        #expect(try reader.value(as: UInt64.self) == nil)
        for count in 0...48 {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 7 + count) }
            #expect(try writer.set(bytes, tag: UInt32(count)) == UInt64(count + 1))
            let value = try #require(try reader.get())
            #expect(value.bytes == bytes && value.tag == UInt32(count) && value.version == UInt64(count + 1))
            #expect(value.stamp.writtenNanoseconds == nil)
        }
        try writer.set(value: 2.5)
        #expect(try reader.value(as: Double.self) == 2.5)
        try writer.set("grün")
        #expect(try reader.get()?.text == "grün")
        #expect(try reader.get()?.value(as: UInt64.self) == nil)
        expectError(.sizeMismatch, saying: "'rate'", "5 bytes", "8") { () throws(RingError) in _ = try reader.value(as: UInt64.self) }
        var small = [UInt8](repeating: 0, count: 4)
        expectError(.sizeMismatch, saying: "5 bytes", "buffer has 4") { () throws(RingError) in
            _ = try reader.read(bytes: &small)
        }
        var large = [UInt8](repeating: 0, count: 64)
        let stamp = try reader.read(bytes: &large)
        #expect(stamp?.byteCount == 5 && String(decoding: large.prefix(5), as: UTF8.self) == "grün")
    }

    @Test("A value larger than the entry is refused, with both sizes, and the last one stays") func tooLarge() throws {
        let board = try board()
        var writer = try board.makeWriter("rate")
        try writer.set("first")
        expectError(.messageTooLarge, saying: "board 'b'", "49", "'rate'", "48") { () throws(RingError) in
            try writer.set([UInt8](repeating: 0, count: 49))
        }
        expectError(.messageTooLarge, saying: "49") { () throws(RingError) in
            _ = try board.set("rate", to: [UInt8](repeating: 0, count: 49), timeout: .zero)
        }
        var reader = try board.makeReader("rate")
        #expect(try reader.get()?.text == "first")
    }

    @Test("In place: nothing is seen before the body returns, and a body that throws leaves the last value") func inPlace() throws {
        struct Stop: Error {}
        let board = try board()
        var writer = try board.makeWriter("rate")
        var reader = try board.makeReader("rate")
        try writer.set("one")
        try writer.update(byteCount: 3, tag: 7) { span throws in
            for index in 0..<3 { span.storeBytes(of: UInt8(ascii: "x"), toByteOffset: index, as: UInt8.self) }
            #expect(try reader.get()?.text == "one")
        }
        #expect(try reader.get()?.text == "xxx")
        #expect(try reader.get()?.tag == 7)
        #expect(throws: Stop.self) {
            try writer.update(byteCount: 3) { span throws in
                span.storeBytes(of: 0, toByteOffset: 0, as: UInt8.self)
                throw Stop()
            }
        }
        #expect(try reader.get()?.text == "xxx")
        #expect(try writer.set("next") == 3)
    }

    @Test("Compare and set: only over the version that was read, by a writer and by anybody once") func compareAndSet() throws {
        let board = try board()
        #expect(try board.set("rate", to: "a", ifVersion: 1) == nil)
        #expect(try board.set("rate", to: "a", ifVersion: 0) == 1)
        #expect(try board.set("rate", to: "b", ifVersion: 0) == nil)
        var writer = try board.makeWriter("rate")
        let bytes = Array("c".utf8)
        #expect(try writer.set(bytes.span.bytes, ifVersion: 2) == nil)
        #expect(try writer.set(bytes.span.bytes, ifVersion: 1) == 2)
        var reader = try board.makeReader("rate")
        #expect(try reader.get()?.text == "c")
    }

    @Test("A set on a condition that waits for the entry compares with the version that it finds then") func comparesBehindWait() throws {
        let board = try board()
        var writer = try board.makeWriter("rate")
        try writer.set("one")
        let eventWord = writer.core.writer.eventWord
        let setter = Worker { try board.set("rate", to: "over one", ifVersion: 1, timeout: patience) }
        // It has found the entry taken, and says that it sleeps.
        #expect(eventually { EventCount.isAnyoneAsleep(eventWord) })
        try writer.set("two")
        writer.close()
        #expect(try setter.join() == nil)
        var reader = try board.makeReader("rate")
        #expect(try reader.get()?.text == "two")
    }

    @Test("A second writer is refused, naming the holder; setting once waits for it to the deadline, or until it ends") func exclusive()
        throws
    {
        let board = try board()
        var writer = try board.makeWriter("rate")
        try writer.set("mine")
        expectError(.roleTaken, saying: "board 'b'", "process \(getpid())", "entry 0") { () throws(RingError) in
            _ = try board.makeWriter("rate")
        }
        expectError(.timedOut, saying: "process \(getpid())") { () throws(RingError) in
            _ = try board.set("rate", to: "x", timeout: .milliseconds(30))
        }
        let worker = Worker { try board.set("rate", to: "theirs", timeout: patience) }
        usleep(5000)  // more often waiting than not; either way is right
        writer.close()
        #expect(try worker.join() == 2)
        // The next one goes on from there.
        var next = try board.makeWriter("rate")
        #expect(next.version == 2)
        #expect(try next.set("again") == 3)
    }

    @Test("The time of writing is kept if the board was made with that") func time() throws {
        let board = try board(keepsTime: true)
        var writer = try board.makeWriter("rate")
        var reader = try board.makeReader("rate")
        let before = sr_realtime_ns()
        try writer.set([UInt8](repeating: 9, count: 48))
        let written = try #require(try reader.get()?.stamp.writtenNanoseconds)
        #expect(written >= before && written <= sr_realtime_ns())
        #expect(board.keepsTime)
    }

    @Test("Setting wakes no reader while none sleeps") func wakes() throws {
        let board = try board()
        var writer = try board.makeWriter("rate")
        for _ in 0..<100 { try writer.set("quiet") }
        #expect(try RingReport("b", options: place.options()).entries[0].wakes == 0)
    }

    // MARK: Entries

    @Test("Entries are added while there is room, found again, and kept apart; then the board is full") func adding() throws {
        let board = try board(room: Board.Room(entries: 3, byteCount: 3000))
        try board.addEntry("a", capacity: 1000)
        try board.addEntry("a", capacity: 500)
        expectError(.differentShape, saying: "'a'", "1000", "1001") { () throws(RingError) in try board.addEntry("a", capacity: 1001) }
        try board.addEntry("b", capacity: 1)
        expectError(.boardFull, saying: "'big'", "bytes") { () throws(RingError) in try board.addEntry("big", capacity: 1 << 20) }
        try board.addEntry("c", capacity: 64)
        expectError(.boardFull, saying: "4 entries", "'d'") { () throws(RingError) in try board.addEntry("d", capacity: 1) }
        var view = try board.makeView()
        #expect(view.keys == ["rate", "a", "b", "c"])
        for (key, size) in [("rate", 48), ("a", 1000), ("b", 1), ("c", 64)] {
            var writer = try board.makeWriter(key)
            for fill in 0..<5 { try writer.set([UInt8](repeating: UInt8(fill) &+ UInt8(key.utf8.first!), count: size)) }
        }
        let all = try view.snapshot()
        #expect(all.count == 4)
        for (key, value) in all { #expect(value.bytes.allSatisfy { $0 == 4 &+ key.utf8.first! } && value.version == 5) }
    }

    @Test("Two adders at once, beside writers and readers that look for entries: each entry is there once, whole")
    func addingAtOnce() throws {
        let each = 20
        let board = try board([Board.Entry("first", capacity: 8)], room: Board.Room(entries: 2 * each, byteCount: 2 * each * 64))
        let adders = (0..<2).map { adder in
            Worker {
                for number in 0..<each {
                    try board.addEntry("\(adder) \(number)", capacity: 8 + number, timeout: patience)
                    try board.addEntry("both \(number % 2)", capacity: 8, timeout: patience)
                }
            }
        }
        let isOver = Turn()
        let onlookers = (0..<2).map { adder in
            Worker { () throws -> Int in
                var found = 0
                while isOver.value == 0 || found < each {
                    do throws(RingError) {
                        if found < each {
                            var writer = try board.makeWriter("\(adder) \(found)")
                            try writer.set(value: UInt64(found))
                            found += 1
                        }
                        var view = try board.makeView()
                        _ = try view.snapshot()
                    } catch {
                        // Not yet there; or the room for other entries was taken by those of both adders.
                        guard error.code == .entryNotFound else { throw error }
                        if isOver.value == 1 { return found }
                    }
                }
                return found
            }
        }
        var full = 0
        for adder in adders {
            do { try adder.join() } catch {
                #expect((error as? RingError)?.code == .boardFull)
                full += 1
            }
        }
        isOver.set(1)
        var total = 0
        for onlooker in onlookers { total += try onlooker.join() }
        var view = try board.makeView()
        #expect(view.keys.count == 2 * each + 1 && Set(view.keys).count == view.keys.count)
        #expect(total == view.keys.filter { $0.hasPrefix("0 ") || $0.hasPrefix("1 ") }.count)
        #expect(full >= 1)
        for (key, value) in try view.snapshot() { #expect(key.hasSuffix(" \(value.value(as: UInt64.self) ?? 99)")) }
        #expect(try board.check().damage.isEmpty)
    }

    @Test("Keys and options that can't be are refused, saying which") func badKeys() throws {
        expectError(.invalidName, saying: "64 bytes", "65") { () throws(RingError) in
            _ = try board([Board.Entry(String(repeating: "k", count: 65), capacity: 1)])
        }
        expectError(.invalidName, saying: "has 0") { () throws(RingError) in _ = try board([Board.Entry("", capacity: 1)]) }
        expectError(.invalidName, saying: "NUL") { () throws(RingError) in _ = try board([Board.Entry("a\0b", capacity: 1)]) }
        expectError(.invalidOption, saying: "'a'", "0") { () throws(RingError) in _ = try board([Board.Entry("a", capacity: 0)]) }
        expectError(.invalidOption, saying: "two entries 'a'") { () throws(RingError) in
            _ = try board([Board.Entry("a", capacity: 1), Board.Entry("a", capacity: 2)])
        }
        expectError(.invalidOption, saying: "4096") { () throws(RingError) in _ = try board([]) }
        expectError(.invalidOption, saying: "-1") { () throws(RingError) in
            _ = try board(room: Board.Room(entries: -1, byteCount: 0))
        }
        let made = try board([Board.Entry(String(repeating: "k", count: 64), capacity: 1)])
        expectError(.entryNotFound, saying: "'nowhere'") { () throws(RingError) in _ = try made.makeWriter("nowhere") }
        expectError(.entryNotFound, saying: "'nowhere'") { () throws(RingError) in _ = try made.makeReader("nowhere") }
        expectError(.entryNotFound, saying: "'nowhere'") { () throws(RingError) in _ = try made.set("nowhere", to: "x") }
        var reader = try made.makeReader(String(repeating: "k", count: 64))
        #expect(try reader.get() == nil)
    }

    // MARK: Ways to one

    @Test("On a disk: values outlive a restart if they were flushed, and are refused if not, unless that is accepted") func onDisk() throws
    {
        let directory = NSTemporaryDirectory() + "sharedring-board-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        var options = RingOptions()
        options.directory = directory
        options.isDurable = true
        /// As a restart leaves the file: another boot's id is in it.
        func restart() throws {
            let file = try #require(FileHandle(forUpdatingAtPath: directory + "/kept"))
            try file.seek(toOffset: UInt64(SegmentHeader.pageSize + MemoryLayout<sr_segment_control>.offset(of: \.boot_id)!))
            file.write(Data((0..<16).map { _ in UInt8.random(in: 1...255) }))
            try file.close()
        }
        let board = try Board.create("kept", entries: [Board.Entry("rate", capacity: 8)], options: options)
        try board.set("rate", to: "one")
        let writer = try board.makeWriter("rate")
        expectError(.inUse, saying: "board 'kept'", "writer of entry 0") { () throws(RingError) in try board.flush() }
        writer.close()
        try board.flush()
        try restart()
        var reader = try Board.open("kept", options: options).makeReader("rate")
        #expect(try reader.get()?.text == "one")
        // Used again, and not flushed.
        try board.set("rate", to: "two")
        try restart()
        expectError(.notFlushed, saying: "board 'kept'") { () throws(RingError) in _ = try board.makeReader("rate") }
        expectError(.notFlushed, saying: "board 'kept'") { () throws(RingError) in _ = try board.set("rate", to: "x", timeout: .zero) }
        var accepting = options
        accepting.acceptsUnflushed = true
        var found = try Board.open("kept", options: accepting).makeReader("rate")
        #expect(try found.get()?.text == "two")
        expectError(.invalidOption, saying: "board") { () throws(RingError) in
            try Board.anonymous(entries: [Board.Entry("rate", capacity: 8)]).flush()
        }
    }

    @Test("Found by name, made if it is not there, by descriptor, without a name; another kind is refused") func ways() throws {
        let options = place.options()
        let entries = [Board.Entry("rate", capacity: 8)]
        expectError(.notFound, saying: "board 'o'") { () throws(RingError) in _ = try Board.open("o", options: options) }
        let made = try Board.openOrCreate("o", entries: entries, options: options)
        let found = try Board.openOrCreate("o", entries: entries + [Board.Entry("more", capacity: 8)], options: options)
        #expect(found.entryCapacity == 1)
        expectError(.alreadyExists, saying: "board 'o'") { () throws(RingError) in
            _ = try Board.create("o", entries: entries, options: options)
        }
        try made.set("rate", to: "v")
        var reader = try found.makeReader("rate")
        #expect(try reader.get()?.text == "v")

        expectError(.incompatible, saying: "board") { () throws(RingError) in _ = try SPSCRing.open("o", options: options) }
        _ = try SPSCRing.create("ring", options: options)
        expectError(.incompatible, saying: "kind spsc", "not a board") { () throws(RingError) in
            _ = try Board.open("ring", options: options)
        }
        expectError(.incompatible, saying: "not a board") { () throws(RingError) in try Board.remove("ring", options: options) }

        let writer = try made.makeWriter("rate")
        expectError(.inUse, saying: "writer of entry 0") { () throws(RingError) in try Board.remove("o", options: options) }
        writer.close()
        try Board.remove("o", options: options)
        // What was found or made is made again, where the handle allows for that.
        try made.set("rate", to: "again")

        let anonymous = try Board.anonymous(entries: entries)
        let descriptor = try anonymous.duplicateDescriptor()
        defer { close(descriptor) }
        try anonymous.set("rate", to: "memory")
        var other = try Board.open(descriptor: descriptor).makeReader("rate")
        #expect(try other.get()?.text == "memory")
        #expect(try anonymous.report().entries[0].version == 1 && anonymous.check().damage.isEmpty)
    }
}

extension BoardReader {
    mutating func read(bytes: inout [UInt8]) throws(RingError) -> BoardStamp? {
        var span = bytes.mutableSpan
        var raw = span.mutableBytes
        return try read(into: &raw)
    }
}
