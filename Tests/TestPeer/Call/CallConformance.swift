import CSharedRing
import CTestSupport
import Foundation
import SharedRing

/// Makes the golden segments of calls and the manifest of malformed ones; `Tests/Conformance/README.md` has the form.
enum CallConformance {
    /// The verdicts: of a server that answers what waits, of a client that calls without waiting, and of a check.
    private struct Verdict {
        var serve: String
        var call: String
        var check: String

        init(_ serve: String, _ call: String, _ check: String) { (self.serve, self.call, self.check) = (serve, call, check) }
    }

    private static let servers: UInt32 = 2
    private static let slots: UInt32 = 2

    private static func caller<Field>(_ slot: Int, _ field: KeyPath<sr_caller_control, Field>) -> Int {
        Conformance.control + Int(sr_caller_offset(servers, UInt32(slot))) + MemoryLayout<sr_caller_control>.offset(of: field)!
    }

    private static func line<Field>(_ slot: Int, _ field: KeyPath<sr_call_line, Field>) -> Int {
        Conformance.control + Int(sr_call_line_offset(servers, slots, UInt32(slot))) + MemoryLayout<sr_call_line>.offset(of: field)!
    }

    private static func server<Field>(_ number: Int, _ field: KeyPath<sr_server_control, Field>) -> Int {
        Conformance.control + Int(sr_server_offset(UInt32(number))) + MemoryLayout<sr_server_control>.offset(of: field)!
    }

    private static func stream<Field>(_ slot: Int, _ field: KeyPath<sr_stream_control, Field>) -> Int {
        Conformance.control + Int(sr_stream_offset(servers, slots, UInt32(slot))) + MemoryLayout<sr_stream_control>.offset(of: field)!
    }

    private static func shape<Field>(_ field: KeyPath<sr_call_shape, Field>) -> Int {
        Conformance.at(\.call) + MemoryLayout<sr_call_shape>.offset(of: field)!
    }

    // MARK: Golden

    private static func snapshot(_ path: String) -> Conformance.Image {
        var image = Conformance.Image(bytes: [UInt8](FileManager.default.contents(atPath: path)!))
        image.fill(Conformance.at(\.instance_id)..<(Conformance.at(\.instance_id) + 16), 0x11)
        image.store(1_000_000_000 as UInt64, at: Conformance.at(\.created_ns))
        image.seal()
        let holders = (0..<Int(servers)).map { server($0, \.holder) } + (0..<Int(slots)).map { caller($0, \.holder) }
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

    /// Calls from another thread, so that this one can serve. Neither side sleeps: so no word tells of a sleep or a wake.
    private static func calling(_ client: CallClient, _ request: [UInt8], while body: () throws -> Void) rethrows {
        let done = DispatchSemaphore(value: 0)
        Thread.detachNewThread {
            _ = try? client.call(request)
            done.signal()
        }
        try body()
        done.wait()
    }

    private static func next(_ server: inout CallServer) throws(RingError) -> CallRequest {
        while true {
            if let request = try server.nextIfAvailable() { return request }
            usleep(100)
        }
    }

    private static func golden(in directory: String) throws -> [(name: String, what: String, image: Conformance.Image, verdict: Verdict)] {
        var golden: [(name: String, what: String, image: Conformance.Image, verdict: Verdict)] = []
        var options = RingOptions()
        options.directory = directory
        options.barrier = .symmetric
        options.label = "golden"
        func make(_ name: String, streams: Int = 0) throws(RingError) -> CallService {
            try CallService.create(
                name, shape: CallService.Shape(clients: 2, servers: 2, requestCapacity: 100, replyCapacity: 200, streamCapacity: streams),
                options: options)
        }
        func add(_ name: String, _ what: String, _ verdict: Verdict) {
            golden.append((name, what, snapshot(directory + "/" + name), verdict))
        }

        _ = try make("call-fresh")
        add("call-fresh", "no client and no server yet", Verdict("", "not executed", "sound"))
        do {
            let service = try make("call-quiet")
            var server = try service.makeServer()
            let client = try service.makeClient(slots: 1, waiting: .spin)
            try calling(client, Array("small".utf8)) { try next(&server).reply("reply") }
            try calling(client, [UInt8](repeating: 0x61, count: 100)) { try next(&server).reply([UInt8](repeating: 0x62, count: 200)) }
            try calling(client, []) { try next(&server).refuse("no") }
            server.close()
            add("call-quiet", "three calls: a small one, a large one and one that was refused", Verdict("", "not executed", "sound"))
            withExtendedLifetime(client) {}
        }
        do {
            let service = try make("call-waiting")
            let client = try service.makeClient(slots: 1, waiting: .spin)
            try calling(client, Array("waits".utf8)) {
                while try RingReport("call-waiting", options: options).callSlots.first?.state != .waiting { usleep(100) }
                add("call-waiting", "a call that no server has started", Verdict("waits", "not executed", "sound"))
                client.cancel()
            }
        }
        do {
            let service = try make("call-started")
            var server = try service.makeServer()
            let client = try service.makeClient(slots: 1, waiting: .spin)
            var held: DeferredCall?
            try calling(client, Array("started".utf8)) {
                held = try next(&server).deferred()
                client.cancel()
            }
            add("call-started", "a call that a server started, and that was given up; both are dead", Verdict("", "not executed", "sound"))
            withExtendedLifetime(held) {}
            server.close()
        }
        do {
            let service = try make("call-stream", streams: 256)
            var server = try service.makeServer()
            let client = try service.makeClient(slots: 1, waiting: .spin)
            // One that is over, and one that goes on, at the end of the lane's first lap.
            for isOver in [true, false] {
                var stream = try client.stream(Array("lines".utf8))
                var writer = try next(&server).stream()
                for size in 0..<14 {
                    try writer.send([UInt8](repeating: 0x70 + UInt8(size), count: size))
                    _ = try stream.next()
                }
                if isOver {
                    try writer.finish("end")
                    _ = try stream.next()
                } else {
                    try writer.send([UInt8](repeating: 0x7e, count: 40))
                    add(
                        "call-stream", "a stream that goes on, with a part that was sent and not read; both are dead",
                        Verdict("", "not executed", "sound"))
                }
            }
            server.close()
        }
        return golden
    }

    // MARK: Malformed

    private static func bytes<Word: FixedWidthInteger>(_ word: Word) -> [UInt8] {
        (0..<MemoryLayout<Word>.size).map { UInt8(truncatingIfNeeded: word >> Word(8 * $0)) }
    }

    private struct Malformed {
        let name: String
        let what: String
        let edits: [(Int, [UInt8])]
        var seals = false
        let verdict: Verdict
        /// The golden segment that it is made of.
        var base = "call-waiting"
    }

    private static func malformedStreams() -> [Malformed] {
        let damaged = Verdict("damaged", "damaged", "damaged")
        func header(_ name: String, _ what: String, _ edits: [(Int, [UInt8])]) -> Malformed {
            Malformed(name: name, what: what, edits: edits, seals: true, verdict: damaged, base: "call-stream")
        }
        func words(_ name: String, _ what: String, _ edits: [(Int, [UInt8])], _ check: String) -> Malformed {
            Malformed(name: name, what: what, edits: edits, verdict: Verdict("", "not executed", check), base: "call-stream")
        }
        let features = Conformance.at(\.required_features)
        return [
            header("capacity-0", "lanes of no bytes", [(shape(\.stream_capacity), bytes(0 as UInt32))]),
            header("capacity-128", "lanes of 128 bytes", [(shape(\.stream_capacity), bytes(128 as UInt32))]),
            header("capacity-odd", "lanes of 384 bytes", [(shape(\.stream_capacity), bytes(384 as UInt32))]),
            header("capacity-large", "lanes of 2^30 bytes", [(shape(\.stream_capacity), bytes(1 << 30 as UInt32))]),
            header("capacity-more", "lanes that do not fit the data", [(shape(\.stream_capacity), bytes(4096 as UInt32))]),
            header("no-feature", "lanes, and no feature that says so", [(features, bytes(0 as UInt64))]),
            words("tail", "the tail is beyond what the lane holds", [(stream(0, \.tail), bytes(1 << 20 as UInt64))], "damaged"),
            words("tail-odd", "the tail is no multiple of 8", [(stream(0, \.tail), bytes(1 as UInt64))], "damaged"),
            words("head", "the head is beyond the tail", [(stream(0, \.head), bytes(1 << 20 as UInt64))], "damaged"),
            words("stop", "the call's client wants no more", [(stream(0, \.stop), bytes(2 as UInt32))], "sound"),
            words("room", "the room word is odd", [(stream(0, \.room_word), bytes(UInt32.max))], "sound"),
        ]
    }

    private static func malformed() -> [Malformed] {
        func one(_ name: String, _ what: String, _ edits: [(Int, [UInt8])], _ verdict: Verdict) -> Malformed {
            Malformed(name: name, what: what, edits: edits, verdict: verdict)
        }
        func header<Word: FixedWidthInteger>(_ name: String, _ what: String, _ place: Int, _ word: Word) -> Malformed {
            Malformed(name: name, what: what, edits: [(place, bytes(word))], seals: true, verdict: Verdict("damaged", "damaged", "damaged"))
        }
        let request = line(0, \.request)
        let reply = line(0, \.reply)
        let claim = caller(0, \.claim)
        return [
            one(
                "count", "the request has 101 bytes", [(request, bytes(sr_call_word(1, 0, 101)))],
                Verdict("", "not executed", "damaged")),
            one(
                "flags", "the request has flags that nobody knows", [(request, bytes(sr_call_word(1, 8, 5)))],
                Verdict("", "not executed", "sound")),
            one(
                "number", "the request is of call 3", [(request, bytes(sr_call_word(3, 0, 5)))],
                Verdict("", "not executed", "damaged")),
            one("claim", "the claim is of call 9", [(claim, bytes(sr_call_claim_word(9, 1)))], Verdict("", "not executed", "damaged")),
            one("reply", "the reply is of call 7", [(reply, bytes(sr_call_word(7, 0, 5)))], Verdict("waits", "not executed", "damaged")),
            one(
                "reply-count", "the last call's reply has 201 bytes",
                [(claim, bytes(sr_call_claim_word(1, 65))), (reply, bytes(sr_call_word(1, 0, 201)))],
                Verdict("", "not executed", "damaged")),
            one(
                "starter", "a server started it that can't be", [(claim, bytes(sr_call_claim_word(1, sr_call_starter(63, 1))))],
                Verdict("", "not executed", "sound")),
            one(
                "events", "the event word is odd, and all slots are in use",
                [
                    (Conformance.control + MemoryLayout<sr_call_control>.offset(of: \.event_word)!, bytes(UInt32.max)),
                    (Conformance.control + MemoryLayout<sr_call_control>.offset(of: \.slots_used)!, bytes(UInt64.max)),
                ], Verdict("waits", "not executed", "sound")),
            header("slots-0", "no slot", shape(\.slot_count), 0 as UInt32),
            header("slots-1025", "1025 slots", shape(\.slot_count), 1025 as UInt32),
            header("slots-more", "more slots than the control area has", shape(\.slot_count), 10 as UInt32),
            header("servers-0", "no place for a server", shape(\.server_count), 0 as UInt32),
            header("servers-65", "65 places for servers", shape(\.server_count), 65 as UInt32),
            header("request-47", "requests of 47 bytes", shape(\.request_capacity), 47 as UInt32),
            header("request-large", "requests of 2^27 + 1 bytes", shape(\.request_capacity), (1 << 27) + 1 as UInt32),
            header("reply-47", "replies of 47 bytes", shape(\.reply_capacity), 47 as UInt32),
            header("reply-more", "replies that do not fit the data", shape(\.reply_capacity), 2048 as UInt32),
            header("data-0", "no data", shape(\.data_size), 0 as UInt64),
            header("data-odd", "data of 4097 bytes", shape(\.data_size), 4097 as UInt64),
            header("data-large", "data of 2^40 + 128 bytes", shape(\.data_size), (1 << 40) + 128 as UInt64),
            header("data-more", "more data than the file has", shape(\.data_size), 8192 as UInt64),
            header("total-order", "it says it has a total order", Conformance.at(\.required_features), 2 as UInt64),
        ]
    }

    static func make(in directory: String) throws {
        let work = String(cString: ts_make_directory("/dev/shm/call-conformance"))
        defer { try? FileManager.default.removeItem(atPath: work) }
        var lines = ["name\tbase\tsize\tedits\tserve\tcall\tcheck\twhat"]
        var images: [String: Conformance.Image] = [:]
        func add(_ name: String, _ base: String, _ edits: String, _ verdict: Verdict, _ what: String) {
            lines.append(
                [name, base, "\(images[base]!.bytes.count)", edits, verdict.serve, verdict.call, verdict.check, what].joined(
                    separator: "\t"))
        }
        for segment in try golden(in: work) {
            images[segment.name] = segment.image
            try segment.image.text.write(toFile: "\(directory)/\(segment.name).hex", atomically: true, encoding: .utf8)
            add(segment.name, segment.name, "-", segment.verdict, segment.what)
        }
        for one in malformed() + malformedStreams() {
            let base = one.base
            var edits = one.edits
            if one.seals {
                var image = images[base]!
                for (offset, bytes) in edits { image.bytes.replaceSubrange(offset..<(offset + bytes.count), with: bytes) }
                image.seal()
                let checksum = Conformance.at(\.checksum)
                edits.append((checksum, Array(image.bytes[checksum..<(checksum + 8)])))
            }
            add(
                "\(base)/\(one.name)", base, edits.map { "\($0.0):\(Conformance.hexadecimal($0.1))" }.joined(separator: ","), one.verdict,
                one.what)
        }
        try (lines.joined(separator: "\n") + "\n").write(toFile: "\(directory)/manifest.tsv", atomically: true, encoding: .utf8)
    }
}
