import CSharedRing
import CTestSupport
import Foundation
import SharedRing

/// Makes the golden boards and the manifest of malformed ones; `Tests/Conformance/README.md` has the form.
enum BoardConformance {
    /// The verdicts: of a writer of every entry, of a reader of all, and of a check.
    private struct Verdict {
        var write: String
        var read: String
        var check: String

        init(_ write: String, _ read: String, _ check: String) { (self.write, self.read, self.check) = (write, read, check) }
    }

    private static func entry<Field>(_ number: Int, _ field: KeyPath<sr_entry_control, Field>) -> Int {
        Conformance.control + Int(sr_entry_offset(UInt32(number))) + MemoryLayout<sr_entry_control>.offset(of: field)!
    }

    private static func board<Field>(_ field: KeyPath<sr_board_control, Field>) -> Int {
        Conformance.control + MemoryLayout<sr_board_control>.offset(of: field)!
    }

    private static func shape<Field>(_ field: KeyPath<sr_board_shape, Field>) -> Int {
        Conformance.at(\.board) + MemoryLayout<sr_board_shape>.offset(of: field)!
    }

    // MARK: Golden

    private static func snapshot(_ path: String, keepsTime: Bool) -> Conformance.Image {
        var image = Conformance.Image(bytes: [UInt8](FileManager.default.contents(atPath: path)!))
        image.fill(Conformance.at(\.instance_id)..<(Conformance.at(\.instance_id) + 16), 0x11)
        image.store(1_000_000_000 as UInt64, at: Conformance.at(\.created_ns))
        image.seal()
        for card in [board(\.holder)] + (0..<3).map({ entry($0, \.holder) }) where image.load(UInt32.self, at: card) != 0 {
            image.fill(card..<(card + MemoryLayout<sr_holder>.size), 0)
            image.store(4242 as UInt32, at: card + MemoryLayout<sr_holder>.offset(of: \.pid)!)
            image.store(1 as UInt64, at: card + MemoryLayout<sr_holder>.offset(of: \.start_time)!)
            image.store(1_000_000_000 as UInt64, at: card + MemoryLayout<sr_holder>.offset(of: \.attached_ns)!)
            image.bytes.replaceSubrange((card + MemoryLayout<sr_holder>.offset(of: \.name)!)..., with: Array("golden".utf8), keeping: 6)
        }
        if keepsTime {
            // Of entry 0, whose slots are 64 bytes apart: 2 s after 1970.
            for slot in 0..<4 where image.load(UInt64.self, at: Conformance.dataStart + 64 * slot + 8) != 0 {
                image.store(2_000_000_000 as UInt64, at: Conformance.dataStart + 64 * slot + 8)
            }
        }
        return image
    }

    private static func golden(in directory: String) throws -> [(name: String, what: String, image: Conformance.Image, verdict: Verdict)] {
        var golden: [(name: String, what: String, image: Conformance.Image, verdict: Verdict)] = []
        var options = RingOptions()
        options.directory = directory
        options.barrier = .symmetric
        options.label = "golden"
        func make(_ name: String, keepsTime: Bool = false) throws(RingError) -> Board {
            try Board.create(
                name, entries: [Board.Entry("rate", capacity: 48), Board.Entry("mode", capacity: 100)],
                room: Board.Room(entries: 1, byteCount: 64), keepsTime: keepsTime, options: options)
        }
        func add(_ name: String, _ what: String, keepsTime: Bool = false, _ verdict: Verdict) {
            golden.append((name, what, snapshot(directory + "/" + name, keepsTime: keepsTime), verdict))
        }

        _ = try make("board-fresh")
        add("board-fresh", "no value yet", Verdict("ok", "rate mode", "sound"))
        do {
            let board = try make("board-values")
            for value in ["a", "bb", "ccc", "dddd", "eeeee"] { try board.set("rate", to: value, tag: 7) }
            try board.addEntry("late", capacity: 16)
            try board.set("late", to: "")
            add(
                "board-values", "five values of one entry, none of the second, an added entry with an empty one",
                Verdict("ok", "rate=5:7:6565656565 mode late=1:0:", "sound"))
        }
        do {
            let board = try make("board-killed")
            var writer = try board.makeWriter("mode")
            try writer.set("whole", tag: 1)
            struct Stop: Error {}
            do {
                try writer.update(byteCount: 5) { span in
                    span.storeBytes(of: 0x78, toByteOffset: 0, as: UInt8.self)
                    throw Stop()
                }
            } catch is Stop {}
            add("board-killed", "the writer died in the midst of its second value", Verdict("ok", "rate mode=1:1:77686f6c65", "sound"))
            withExtendedLifetime(writer) {}
        }
        do {
            let board = try make("board-time", keepsTime: true)
            try board.set("rate", to: "timed")
            add("board-time", "the time of writing is kept", keepsTime: true, Verdict("ok", "rate=1:0:74696d6564@2000000000 mode", "sound"))
        }
        return golden
    }

    // MARK: Malformed

    private static func bytes<Word: FixedWidthInteger>(_ word: Word) -> [UInt8] {
        (0..<MemoryLayout<Word>.size).map { UInt8(truncatingIfNeeded: word >> Word(8 * $0)) }
    }

    private static func malformed() -> [(name: String, what: String, edits: [(Int, [UInt8])], seals: Bool, verdict: Verdict)] {
        let poisoned = Verdict("poisoned", "poisoned", "damaged")
        let damaged = Verdict("damaged", "damaged", "damaged")
        return [
            ("state", "state of entry 0 is 2", [(entry(0, \.state), bytes(2 as UInt32))], false, poisoned),
            ("key-0", "the key of entry 0 has no bytes", [(entry(0, \.key_length), bytes(0 as UInt32))], false, poisoned),
            ("key-65", "the key of entry 0 has 65 bytes", [(entry(0, \.key_length), bytes(65 as UInt32))], false, poisoned),
            ("capacity-0", "the capacity of entry 0 is 0", [(entry(0, \.capacity), bytes(0 as UInt64))], false, poisoned),
            (
                "capacity-large", "the capacity of entry 0 is 2^30 + 1", [(entry(0, \.capacity), bytes((1 << 30) + 1 as UInt64))], false,
                poisoned
            ),
            (
                "capacity-beyond", "the values of entry 0 do not fit the data", [(entry(0, \.capacity), bytes(1 << 20 as UInt64))], false,
                poisoned
            ),
            ("offset-beyond", "entry 0 begins at the end of the data", [(entry(0, \.data_offset), bytes(4096 as UInt64))], false, poisoned),
            ("offset-max", "entry 0 begins at 2^64 - 128", [(entry(0, \.data_offset), bytes(.max - 127 as UInt64))], false, poisoned),
            ("offset-odd", "entry 0 begins at 64", [(entry(0, \.data_offset), bytes(64 as UInt64))], false, poisoned),
            (
                "overlap", "entry 1 begins where entry 0 does", [(entry(1, \.data_offset), bytes(0 as UInt64))], false,
                poisoned
            ),
            (
                "count", "the newest value of entry 0 has 49 bytes", [(Conformance.dataStart + 64, bytes(49 as UInt32))], false,
                Verdict("ok", "poisoned", "damaged")
            ),
            (
                "turn", "the turn of entry 0 is 2^62", [(entry(0, \.turn), bytes(1 << 62 as UInt64))], false,
                Verdict("ok", "rate=4611686018427387904:7:64646464 mode late=1:0:", "sound")
            ),
            (
                "turn-high", "the turn of entry 0 is 2^63", [(entry(0, \.turn), bytes(1 << 63 as UInt64))], false, poisoned
            ),
            (
                "events", "both event words are odd",
                [(entry(0, \.event_word), bytes(.max as UInt32)), (board(\.event_word), bytes(1 as UInt32))],
                false, Verdict("ok", "rate=5:7:6565656565 mode late=1:0:", "sound")
            ),
            ("entries-0", "room for no entry", [(shape(\.entry_count), bytes(0 as UInt32))], true, damaged),
            ("entries-4097", "room for 4097 entries", [(shape(\.entry_count), bytes(4097 as UInt32))], true, damaged),
            (
                "entries-more", "room for more entries than the control area has", [(shape(\.entry_count), bytes(7 as UInt32))], true,
                damaged
            ),
            ("time-2", "the mark of time is 2", [(shape(\.keeps_time), bytes(2 as UInt32))], true, damaged),
            ("data-0", "no data", [(shape(\.data_size), bytes(0 as UInt64))], true, damaged),
            ("data-odd", "data of 4097 bytes", [(shape(\.data_size), bytes(4097 as UInt64))], true, damaged),
            ("data-large", "data of 2^40 + 128 bytes", [(shape(\.data_size), bytes((1 << 40) + 128 as UInt64))], true, damaged),
            ("data-more", "more data than the file has", [(shape(\.data_size), bytes(8192 as UInt64))], true, damaged),
            ("total-order", "it says it has a total order", [(Conformance.at(\.required_features), bytes(2 as UInt64))], true, damaged),
        ]
    }

    static func make(in directory: String) throws {
        let work = String(cString: ts_make_directory("/dev/shm/board-conformance"))
        defer { try? FileManager.default.removeItem(atPath: work) }
        var lines = ["name\tbase\tsize\tedits\twrite\tread\tcheck\twhat"]
        var images: [String: Conformance.Image] = [:]
        for segment in try golden(in: work) {
            images[segment.name] = segment.image
            try segment.image.text.write(toFile: "\(directory)/\(segment.name).hex", atomically: true, encoding: .utf8)
            let verdict = segment.verdict
            lines.append(
                [segment.name, segment.name, "\(segment.image.bytes.count)", "-", verdict.write, verdict.read, verdict.check, segment.what]
                    .joined(separator: "\t"))
        }
        let base = "board-values"
        for one in malformed() {
            var edits = one.edits
            if one.seals {
                var image = images[base]!
                for (offset, bytes) in edits { image.bytes.replaceSubrange(offset..<(offset + bytes.count), with: bytes) }
                image.seal()
                let checksum = Conformance.at(\.checksum)
                edits.append((checksum, Array(image.bytes[checksum..<(checksum + 8)])))
            }
            let text = edits.map { "\($0.0):\(Conformance.hexadecimal($0.1))" }.joined(separator: ",")
            lines.append(
                [
                    "\(base)/\(one.name)", base, "\(images[base]!.bytes.count)", text, one.verdict.write, one.verdict.read,
                    one.verdict.check,
                    one.what,
                ].joined(separator: "\t"))
        }
        try (lines.joined(separator: "\n") + "\n").write(toFile: "\(directory)/manifest.tsv", atomically: true, encoding: .utf8)
    }
}

extension [UInt8] {
    /// Replaces as many bytes as are kept of the others, from the range's beginning on.
    fileprivate mutating func replaceSubrange(_ range: PartialRangeFrom<Int>, with other: [UInt8], keeping count: Int) {
        replaceSubrange(range.lowerBound..<(range.lowerBound + count), with: other.prefix(count))
    }
}
