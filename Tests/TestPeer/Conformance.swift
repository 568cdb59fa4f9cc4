import CSharedRing
import CTestSupport
import Foundation
import SharedRing

/// Makes the golden segments and the manifest of malformed ones; `Tests/Conformance/README.md` has the form.
///
/// Real endpoints write the segments. What differs from run to run is masked: instance id, times, boot ids, who holds a role.
enum Conformance {
    /// A segment's file, byte for byte.
    struct Image {
        var bytes: [UInt8]

        func load<Word: FixedWidthInteger>(_ type: Word.Type, at offset: Int) -> Word {
            bytes[offset..<(offset + MemoryLayout<Word>.size)].reversed().reduce(0) { $0 << 8 | Word(truncatingIfNeeded: $1) }
        }

        mutating func store<Word: FixedWidthInteger>(_ word: Word, at offset: Int) {
            for byte in 0..<MemoryLayout<Word>.size { bytes[offset + byte] = UInt8(truncatingIfNeeded: word >> Word(8 * byte)) }
        }

        mutating func fill(_ range: Range<Int>, _ byte: UInt8) { for index in range { bytes[index] = byte } }

        mutating func seal() {
            let end = MemoryLayout<sr_header>.offset(of: \.checksum)!
            store(bytes.withUnsafeBytes { sr_hash_bytes(SR_HASH_START, $0.baseAddress!, UInt64(end)) }, at: end)
        }

        var text: String {
            var lines = ["size \(bytes.count)"]
            for start in stride(from: 0, to: bytes.count, by: 32) {
                let row = bytes[start..<min(start + 32, bytes.count)]
                if row.contains(where: { $0 != 0 }) { lines.append("\(start) \(hexadecimal(row))") }
            }
            return lines.joined(separator: "\n") + "\n"
        }
    }

    static func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// The verdicts: of a sender, of a receiver, of a report, of a check and of a tap.
    struct Verdict {
        var send: String
        var receive: String
        var report: String
        var check: String
        var tap: String

        init(_ send: String, _ receive: String, _ report: String, _ check: String, _ tap: String) {
            (self.send, self.receive, self.report, self.check, self.tap) = (send, receive, report, check, tap)
        }

        /// Refused by every reader.
        init(_ code: String) { self.init(code, code, code, code, code) }
    }

    struct Case {
        var name: String
        var base: String
        var what: String
        var edits: [(offset: Int, bytes: [UInt8])]
        /// Nil: the base's.
        var size: Int?
        var verdict: Verdict
    }

    // MARK: Where things stand

    static let control = 4096
    static func lane(_ number: Int) -> Int { control + Int(sr_lane_offset(UInt32(number))) }
    static let dataStart = 8192
    static let capacity = 4096

    static func at<Field>(_ field: KeyPath<sr_header, Field>) -> Int { MemoryLayout<sr_header>.offset(of: field)! }
    static func ring<Field>(_ field: KeyPath<sr_lanes_control, Field>) -> Int {
        control + MemoryLayout<sr_lanes_control>.offset(of: field)!
    }
    static func consumer<Field>(_ field: KeyPath<sr_consumer_control, Field>) -> Int {
        control + Int(sr_lanes_consumer_offset()) + MemoryLayout<sr_consumer_control>.offset(of: field)!
    }
    static func broadcast<Field>(_ field: KeyPath<sr_broadcast_control, Field>) -> Int {
        control + MemoryLayout<sr_broadcast_control>.offset(of: field)!
    }
    static func publisher<Field>(_ field: KeyPath<sr_lane_control, Field>) -> Int {
        control + Int(sr_publisher_offset()) + MemoryLayout<sr_lane_control>.offset(of: field)!
    }
    static func slot<Field>(_ number: Int, _ field: KeyPath<sr_subscriber_control, Field>) -> Int {
        control + Int(sr_subscriber_offset(UInt32(number))) + MemoryLayout<sr_subscriber_control>.offset(of: field)!
    }
    static func lane<Field>(_ number: Int = 0, _ field: KeyPath<sr_lane_control, Field>) -> Int {
        lane(number) + MemoryLayout<sr_lane_control>.offset(of: field)!
    }

    // MARK: Golden segments

    private static func options(_ directory: String) -> RingOptions {
        var options = RingOptions(capacity: capacity)
        options.directory = directory
        options.barrier = .symmetric
        options.label = "golden"
        return options
    }

    /// What the file holds now, masked.
    static func snapshot(_ path: String, lanes: Int) -> Image {
        snapshot(path, holders: [consumer(\.holder)] + (0..<lanes).map { lane($0, \.producer_holder) })
    }

    static func snapshot(_ path: String, holders: [Int]) -> Image {
        var image = Image(bytes: [UInt8](FileManager.default.contents(atPath: path)!))
        image.fill(at(\.instance_id)..<(at(\.instance_id) + 16), 0x11)
        image.fill(at(\.boot_id)..<(at(\.boot_id) + 16), 0)
        image.store(1_000_000_000 as UInt64, at: at(\.created_ns))
        image.seal()
        if image.load(UInt64.self, at: ring(\.segment.boot_id)) != 0 {
            image.fill(ring(\.segment.boot_id)..<(ring(\.segment.boot_id) + 16), 0x22)
        }
        for holder in holders where image.load(UInt32.self, at: holder) != 0 {
            image.fill(holder..<(holder + MemoryLayout<sr_holder>.size), 0)
            image.store(4242 as UInt32, at: holder + MemoryLayout<sr_holder>.offset(of: \.pid)!)
            image.store(1 as UInt64, at: holder + MemoryLayout<sr_holder>.offset(of: \.start_time)!)
            image.store(1_000_000_000 as UInt64, at: holder + MemoryLayout<sr_holder>.offset(of: \.attached_ns)!)
            let name = holder + MemoryLayout<sr_holder>.offset(of: \.name)!
            image.bytes.replaceSubrange(name..<(name + 6), with: Array("golden".utf8))
        }
        return image
    }

    static func payload(_ count: Int) -> [UInt8] { (0..<count).map { 0x41 + UInt8($0 % 26) } }

    /// Lets a lane begin at another position, as WireFormat says.
    private static func begin(_ path: String, at position: UInt64, lanes: Int) {
        let file = open(path, O_RDWR)
        defer { close(file) }
        for number in 0..<lanes {
            var position = position
            pwrite(file, &position, 8, off_t(lane(number, \.head)))
            pwrite(file, &position, 8, off_t(lane(number, \.checkpoints)))
        }
    }

    private static func golden(in directory: String) throws(RingError) -> [(name: String, what: String, image: Image, verdict: Verdict)] {
        var golden: [(name: String, what: String, image: Image, verdict: Verdict)] = []
        let options = options(directory)
        func add(_ name: String, _ what: String, lanes: Int = 1, _ verdict: Verdict, change: (inout Image) -> Void = { _ in }) {
            var image = snapshot(directory + "/" + name, lanes: lanes)
            change(&image)
            golden.append((name, what, image, verdict))
        }
        func spsc(_ name: String, options: RingOptions, from position: UInt64? = nil) throws(RingError) -> SPSCRing {
            let ring = try SPSCRing.create(name, options: options)
            if let position { begin(directory + "/" + name, at: position, lanes: 1) }
            return ring
        }
        func mpsc(_ name: String, order: MPSCRing.Order = .perProducer, from position: UInt64? = nil) throws(RingError) -> MPSCRing {
            let ring = try MPSCRing.create(name, lanes: 2, order: order, options: options)
            if let position { begin(directory + "/" + name, at: position, lanes: 2) }
            return ring
        }

        _ = try spsc("spsc-fresh", options: options)
        add("spsc-fresh", "no process has attached", Verdict("ok", "0 empty", "ok", "sound", "0"))

        for (name, position) in [("spsc-in-use", nil), ("spsc-wrapped", UInt64.max - 63)] as [(String, UInt64?)] {
            let ring = try spsc(name, options: options, from: position)
            var producer = try ring.makeProducer()
            var consumer = try ring.makeConsumer()
            for count in [0, 5, 100, 5] { try producer.send(payload(count), tag: UInt32(count)) }
            _ = consumer.nextIfAvailable()
            _ = consumer.nextIfAvailable()
            try consumer.acknowledge()
            add(
                name, position == nil ? "both attached, two messages acknowledged" : "the same, begun at 2^64 - 64",
                Verdict("ok", "2 empty", "ok", "sound", "2"))
            withExtendedLifetime(producer) {}
            withExtendedLifetime(consumer) {}
        }
        do {
            let ring = try spsc("spsc-cut-off", options: options)
            var producer = try ring.makeProducer()
            for count in [5, 16] { try producer.send(payload(count)) }
            var claim = try producer.claim(byteCount: 64)
            do {
                var bytes = claim.bytes
                for index in 0..<64 { bytes.storeBytes(of: 0xEE, toByteOffset: index, as: UInt8.self) }
            }
            add(
                "spsc-cut-off", "the producer died after it wrote a payload, before its header",
                Verdict("ok", "2 empty", "ok", "sound", "2"))
            _ = claim.bytes.byteCount  // both live until here
        }
        do {
            let ring = try spsc("spsc-successor", options: options)
            do {
                var producer = try ring.makeProducer()
                try producer.send(payload(5))
            }
            var producer = try ring.makeProducer()
            try producer.send(payload(16))
            try producer.close()
            add(
                "spsc-successor", "a producer died; its successor marked that, sent and closed",
                Verdict("ok", "1 peerDied", "ok", "sound", "2"))
        }
        do {
            let ring = try spsc("spsc-closed", options: options)
            var producer = try ring.makeProducer()
            for count in [5, 16] { try producer.send(payload(count)) }
            try producer.close()
            add("spsc-closed", "the producer closed, nothing was received", Verdict("ok", "2 ended", "ok", "sound", "2"))
        }
        do {
            let ring = try spsc("spsc-full", options: options)
            var producer = try ring.makeProducer()
            while try producer.trySend(payload(500)) {}
            add("spsc-full", "no room for one more", Verdict("ok", "7 empty", "ok", "sound", "7"))
            withExtendedLifetime(producer) {}
        }
        do {
            var options = options
            options.recordAlignment = 64
            let ring = try spsc("spsc-aligned", options: options)
            var producer = try ring.makeProducer()
            for count in [5, 100] { try producer.send(payload(count)) }
            try producer.close()
            add("spsc-aligned", "records 64 bytes apart", Verdict("ok", "2 ended", "ok", "sound", "2"))
        }
        do {
            var options = options
            options.isDurable = true
            let ring = try spsc("spsc-file", options: options)
            var producer = try ring.makeProducer()
            try producer.send(payload(5))
            try producer.close()
            add("spsc-file", "file-backed, of another boot, flushed", Verdict("ok", "1 ended", "ok", "sound", "1")) {
                $0.store(1 as UInt32, at: self.ring(\.segment.clean))
            }
        }

        _ = try mpsc("mpsc-fresh")
        add("mpsc-fresh", "no process has attached", lanes: 2, Verdict("ok", "0 empty", "ok", "sound", "0"))
        _ = try mpsc("total-fresh", order: .total)
        add("total-fresh", "no process has attached", lanes: 2, Verdict("ok", "0 empty", "ok", "sound", "0"))
        let kinds: [(String, MPSCRing.Order, UInt64?)] = [
            ("mpsc-in-use", .perProducer, nil), ("mpsc-wrapped", .perProducer, UInt64.max - 63), ("total-in-use", .total, nil),
            ("total-wrapped", .total, UInt64.max - 63),
        ]
        for (name, order, position) in kinds {
            let ring = try mpsc(name, order: order, from: position)
            var first = try ring.makeProducer()
            var second = try ring.makeProducer()
            for count in [5, 16] {
                try first.send(payload(count))
                try second.send(payload(count + 30))
            }
            add(
                name, "two producers attached, nothing was received" + (position == nil ? "" : "; begun at 2^64 - 64"), lanes: 2,
                Verdict("ok", "4 empty", "ok", "sound", "4"))
            if order == .total && position == nil {
                var image = golden.last!.image
                image.store(image.load(UInt64.self, at: self.ring(\.tickets)), at: lane(0, \.ticket_floor))
                golden.append(
                    ("total-cut-off", "a producer died after it stored a ticket floor", image, Verdict("ok", "4 empty", "ok", "sound", "4"))
                )
            }
            withExtendedLifetime(first) {}
            withExtendedLifetime(second) {}
        }
        do {
            let ring = try mpsc("mpsc-cut-off")
            var first = try ring.makeProducer()
            var second = try ring.makeProducer()
            try first.send(payload(5))
            try second.send(payload(16))
            var claim = try second.claim(byteCount: 64)
            do {
                var bytes = claim.bytes
                for index in 0..<64 { bytes.storeBytes(of: 0xEE, toByteOffset: index, as: UInt8.self) }
            }
            add(
                "mpsc-cut-off", "the producer of lane 1 died after it wrote a payload, before its header", lanes: 2,
                Verdict("ok", "2 empty", "ok", "sound", "2"))
            _ = claim.bytes.byteCount  // both live until here
            withExtendedLifetime(first) {}
        }
        for (name, order) in [("mpsc-closed", .perProducer), ("total-closed", .total)] as [(String, MPSCRing.Order)] {
            let ring = try mpsc(name, order: order)
            var first = try ring.makeProducer()
            var second = try ring.makeProducer()
            try first.send(payload(5))
            try second.send(payload(16))
            try first.send(payload(5))
            try first.close()
            try second.close()
            add(name, "two producers closed, nothing was received", lanes: 2, Verdict("ok", "3 empty", "ok", "sound", "3"))
        }
        golden += try goldenBroadcasts(in: directory, options)
        return golden
    }

    // MARK: Malformed ones

    private static func bytes<Word: FixedWidthInteger>(_ word: Word) -> [UInt8] {
        (0..<MemoryLayout<Word>.size).map { UInt8(truncatingIfNeeded: word >> Word(8 * $0)) }
    }

    private static func malformed(_ golden: [String: Image]) -> [Case] {
        var cases: [Case] = []
        var base = "spsc-closed"
        var image: Image { golden[base]! }

        func add(_ name: String, _ what: String, _ edits: [(Int, [UInt8])], size: Int? = nil, _ verdict: Verdict) {
            cases.append(
                Case(name: "\(base)/\(name)", base: base, what: what, edits: edits.map { ($0.0, $0.1) }, size: size, verdict: verdict))
        }
        /// Edits of the header, whose checksum is made to fit.
        func sealed(_ name: String, _ what: String, _ edits: [(Int, [UInt8])], _ verdict: Verdict) {
            var copy = image
            for (offset, bytes) in edits { copy.bytes.replaceSubrange(offset..<(offset + bytes.count), with: bytes) }
            copy.seal()
            let checksum = at(\.checksum)
            add(name, what, edits + [(checksum, Array(copy.bytes[checksum..<(checksum + 8)]))], verdict)
        }
        func header<Word: FixedWidthInteger>(_ name: String, _ offset: Int, _ values: [Word], _ code: String) {
            for value in values { sealed("\(name)-\(value)", "header.\(name) is \(value)", [(offset, bytes(value))], Verdict(code)) }
        }

        let magic = image.load(UInt64.self, at: 0)
        add("magic", "header.magic, one bit", [(0, bytes(magic ^ 1))], Verdict("notARing"))
        add("magic-0", "header.magic is 0", [(0, bytes(0 as UInt64))], Verdict("notARing"))
        add("magic-swapped", "header.magic of the other byte order", [(0, bytes(magic.byteSwapped))], Verdict("incompatible"))
        header("major", at(\.major), [0, 1, 77, .max] as [UInt16], "incompatible")
        let fields: [(String, Int)] = [
            ("minor", at(\.minor)), ("header_length", at(\.header_length)), ("total_size", at(\.total_size)),
            ("page_size", at(\.page_size)), ("kind", at(\.kind)), ("lane_count", at(\.lanes.lane_count)),
            ("record_alignment", at(\.lanes.record_alignment)), ("lane_capacity", at(\.lanes.lane_capacity)),
            ("control_offset", at(\.control_offset)), ("data_offset", at(\.data_offset)),
            ("required_features", at(\.required_features)), ("optional_features", at(\.optional_features)),
            ("layout_hash", at(\.layout_hash)), ("instance_id", at(\.instance_id)), ("boot_id", at(\.boot_id)),
            ("created_ns", at(\.created_ns)), ("label", at(\.label)), ("reserved0", at(\.reserved0)),
            ("later_shapes", at(\.later_shapes)), ("reserved1", at(\.reserved1)), ("checksum", at(\.checksum)),
        ]
        for (name, offset) in fields {
            add("\(name)-bit", "header.\(name), one bit, without a new checksum", [(offset, [image.bytes[offset] ^ 1])], Verdict("damaged"))
        }
        header("header_length", at(\.header_length), [0, 511, 4097, .max] as [UInt32], "damaged")
        header("layout_hash", at(\.layout_hash), [0, .max] as [UInt64], "incompatible")
        header("required_features", at(\.required_features), [8, 1 << 63] as [UInt64], "incompatible")
        header("required_features", at(\.required_features), [UInt64(SR_FEATURE_TOTAL_ORDER)], "damaged")
        header("kind", at(\.kind), [0, 77, .max] as [UInt32], "incompatible")
        header("lane_count", at(\.lanes.lane_count), [0, 2, 1025, .max] as [UInt32], "damaged")
        header("record_alignment", at(\.lanes.record_alignment), [0, 1, 4, 7, 12, 24, 256, 1 << 31, .max] as [UInt32], "damaged")
        header(
            "lane_capacity", at(\.lanes.lane_capacity), [0, 1, 4095, 4097, 6144, 8192, 1 << 40, 1 << 41, 1 << 63, .max] as [UInt64],
            "damaged")
        let size = UInt64(image.bytes.count)
        header("total_size", at(\.total_size), [0, size - 1, size + 1, size * 2, 1 << 63, .max], "damaged")
        header("control_offset", at(\.control_offset), [0, 1, 2048, 4097, 8192, size, 1 << 63, 0 &- 4096] as [UInt64], "damaged")
        header("data_offset", at(\.data_offset), [0, 1, 4096, 8193, size, 1 << 63, 0 &- 4096] as [UInt64], "damaged")
        add("size-0", "the file ends after 0 bytes", [], size: 0, Verdict("notARing"))
        // It begins with the magic.
        add("size-511", "the file ends after 511 bytes", [], size: 511, Verdict("damaged"))
        for count in [512, 4096, 8192, Int(size) - 1, Int(size) + 1, Int(size) + 4096] {
            add("size-\(count)", "the file has \(count) bytes", [], size: count, Verdict("damaged"))
        }
        let closed = Verdict("ok", "2 ended", "ok", "sound", "2")
        sealed("newer-minor", "header.minor is 9: no damage", [(at(\.minor), bytes(9 as UInt16))], closed)
        sealed(
            "longer-header", "header.minor is 9, and the header has 1024 bytes: no damage",
            [(at(\.minor), bytes(9 as UInt16)), (at(\.header_length), bytes(1024 as UInt32)), (512, [UInt8](repeating: 0xa5, count: 512))],
            closed)
        sealed("optional", "all optional features: no damage", [(at(\.optional_features), bytes(UInt64.max))], closed)
        sealed("label-latin1", "header.label is no UTF-8: no damage", [(at(\.label), [0xff, 0xfe])], closed)

        // The lane's words.
        let tail = image.load(
            UInt64.self,
            at: lane(0, \.checkpoints) + Int(image.load(UInt64.self, at: lane(0, \.checkpoint_turn)) & 1) * MemoryLayout<sr_checkpoint>.size
        )
        for head in [1, 4, 7, tail + 4, .max] as [UInt64] {
            add(
                "head-\(head)", "lane.head is no multiple of the alignment", [(lane(0, \.head), bytes(head))],
                Verdict("poisoned", "poisoned", "ok", "damaged", "0 damaged"))
        }
        let poisoned = Verdict("poisoned", "0 poisoned", "ok", "damaged", "0 damaged")
        let largest = UInt64(capacity - 8 - 2 * 8)
        let present = UInt64(SR_RECORD_PRESENT)
        let headers: [(String, UInt64)] = [
            ("no-mark", 5), ("no-mark-tag", 5 << 32), ("too-large", present | (largest + 1)), ("largest-count", present | 0x7fff_fffe),
            ("text", 0x6f6c_6c65_6821_2121),
        ]
        for (name, word) in headers {
            add("record-\(name)", "the first record header is 0x\(String(word, radix: 16))", [(dataStart, bytes(word))], poisoned)
        }
        let second = dataStart + 16
        for (name, word) in headers {
            add(
                "record-2-\(name)", "the second record header is 0x\(String(word, radix: 16))", [(second, bytes(word))],
                Verdict("poisoned", "1 poisoned", "ok", "damaged", "1 damaged"))
        }
        add(
            "record-short", "the second record says 0 bytes, so a payload follows as a header", [(second, bytes(present))],
            Verdict("poisoned", "2 poisoned", "ok", "damaged", "2 damaged"))
        add(
            "checkpoint-tail", "the checkpoint's tail is beyond the records",
            [(lane(0, \.checkpoints), bytes(tail + 8)), (lane(0, \.checkpoints) + 32, bytes(tail + 8))],
            Verdict("ok", "2 ended", "ok", "damaged", "2"))
        add(
            "records-gone", "the first record header is 0", [(dataStart, bytes(0 as UInt64))],
            Verdict("ok", "0 ended", "ok", "damaged", "0"))

        base = "mpsc-closed"
        add(
            "bitmap", "the bit of lane 1 among the lanes in use is 0", [(ring(\.lanes_used), [1])],
            Verdict("ok", "2 empty", "ok", "damaged", "2"))
        add(
            "lane-1-record", "the first record header of lane 1 is 5", [(dataStart + capacity, bytes(5 as UInt64))],
            Verdict("poisoned", "2 poisoned", "ok", "damaged", "2 damaged"))
        add(
            "lane-1-head", "the head of lane 1 is 3", [(lane(1, \.head), bytes(3 as UInt64))],
            Verdict("poisoned", "0 poisoned", "ok", "damaged", "2 damaged"))
        header("lane_count", at(\.lanes.lane_count), [0, 3, 1024, 1025] as [UInt32], "damaged")
        sealed("spsc-of-2", "header.kind is 1, with two lanes", [(at(\.kind), bytes(1 as UInt32))], Verdict("damaged"))

        base = "total-closed"
        add(
            "ticket-back", "the second ticket of lane 0 is that of the first", [(dataStart + 24 + 8, bytes(0 as UInt64))],
            Verdict("ok", "1 poisoned", "ok", "damaged", "3"))
        add(
            "tickets-0", "the ticket counter is 0, and tickets were drawn", [(ring(\.tickets), bytes(0 as UInt64))],
            Verdict("ok", "0 poisoned", "ok", "damaged", "3"))
        add(
            "ticket-large", "the first ticket of lane 0 is 2^63", [(dataStart + 8, bytes(1 << 63 as UInt64))],
            Verdict("ok", "0 poisoned", "ok", "damaged", "3"))
        add(
            "no-ticket", "the first record of lane 0 has no room for its ticket", [(dataStart, bytes(present | 4))],
            Verdict("poisoned", "0 poisoned", "ok", "damaged", "1 damaged"))

        base = "spsc-wrapped"
        add(
            "record", "the header of the first record behind the head is 0xff",
            [(dataStart + Int(image.load(UInt64.self, at: lane(0, \.head)) & UInt64(capacity - 1)), bytes(0xff as UInt64))], poisoned)

        base = "spsc-file"
        add(
            "unflushed", "the clean mark is 0, of another boot", [(ring(\.segment.clean), bytes(0 as UInt32))],
            Verdict("notFlushed", "notFlushed", "ok", "sound", "1"))

        base = "broadcast-closed"
        header("subscriber_count", at(\.broadcast.subscriber_count), [0, 257, .max] as [UInt32], "damaged")
        header("record_alignment", at(\.broadcast.record_alignment), [0, 4, 12, 256, .max] as [UInt32], "damaged")
        header("capacity", at(\.broadcast.capacity), [0, 4095, 6144, 8192, 1 << 63, .max] as [UInt64], "damaged")
        sealed(
            "total-order", "header.required_features asks for a total order", [(at(\.required_features), bytes(2 as UInt64))],
            Verdict("damaged"))
        let sound = Verdict("ok", "2 ended", "ok", "sound", "2")
        for head in [1, 8, 1 << 40, .max - 7] as [UInt64] {
            add("head-\(head)", "the head of slot 1 holds nothing back", [(slot(1, \.head), bytes(head))], sound)
        }
        add("slots", "all bits of the bitmap of slots are set", [(broadcast(\.slots_used), [UInt8](repeating: 0xff, count: 32))], sound)
        add("events", "the event count has any value", [(broadcast(\.events), bytes(0xdead_beef as UInt32))], sound)
        // The newest checkpoint, whichever it is.
        let turn = Int(image.load(UInt64.self, at: broadcast(\.checkpoint_turn)) % 16)
        let newest = broadcast(\.checkpoints) + turn * MemoryLayout<sr_checkpoint>.size
        let newestTail = image.load(UInt64.self, at: newest)
        add(
            "checkpoint-unaligned", "the newest checkpoint's tail is no multiple of the alignment", [(newest, bytes(newestTail ^ 2))],
            Verdict("poisoned", "poisoned", "ok", "damaged", "2"))
        add(
            "checkpoint-limit", "the newest checkpoint's write limit is further than the capacity from its tail",
            [(newest + 24, bytes(newestTail &+ UInt64(capacity) &+ 8))], Verdict("poisoned", "poisoned", "ok", "damaged", "0"))
        add(
            "record-behind", "the header behind the newest checkpoint is 5",
            [(dataStart + Int((newestTail & ~1) & UInt64(capacity - 1)), bytes(5 as UInt64))],
            Verdict("poisoned", "2 ended", "ok", "damaged", "2 damaged"))
        return cases
    }

    // MARK: Writing

    static func make(in directory: String) throws {
        let work = String(cString: ts_make_directory("/dev/shm/conformance"))
        defer { try? FileManager.default.removeItem(atPath: work) }
        let golden = try golden(in: work)
        var images: [String: Image] = [:]
        var lines = ["name\tbase\tsize\tedits\tsend\treceive\treport\tcheck\ttap\twhat"]
        func line(_ name: String, _ base: String, _ size: Int, _ edits: String, _ verdict: Verdict, _ what: String) {
            lines.append(
                [name, base, "\(size)", edits, verdict.send, verdict.receive, verdict.report, verdict.check, verdict.tap, what].joined(
                    separator: "\t"))
        }
        for segment in golden {
            images[segment.name] = segment.image
            try segment.image.text.write(toFile: "\(directory)/\(segment.name).hex", atomically: true, encoding: .utf8)
            line(segment.name, segment.name, segment.image.bytes.count, "-", segment.verdict, segment.what)
        }
        for one in malformed(images) {
            let edits = one.edits.map { "\($0.offset):\(hexadecimal($0.bytes))" }.joined(separator: ",")
            line(one.name, one.base, one.size ?? images[one.base]!.bytes.count, edits.isEmpty ? "-" : edits, one.verdict, one.what)
        }
        try (lines.joined(separator: "\n") + "\n").write(toFile: "\(directory)/manifest.tsv", atomically: true, encoding: .utf8)
        say("\(golden.count) golden segments, \(lines.count - 1 - golden.count) malformed ones")
    }
}
