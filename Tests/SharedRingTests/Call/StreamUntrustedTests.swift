import CSharedRing
import Foundation
import TestSupport
import Testing

@testable import SharedRing

@Suite("Streams: whatever an untrusted peer writes into a lane, this call has a typed error, and the next ones work", .oneByOne)
struct StreamUntrustedTests {
    private func service() throws -> CallService {
        try CallService.anonymous(
            shape: CallService.Shape(clients: 2, servers: 1, requestCapacity: 64, replyCapacity: 64, streamCapacity: 256))
    }

    /// A stream that both sides have open, with one part sent, and its lane as an untrusted peer has it.
    private func attacked(_ body: (inout CallStream, inout CallStreamWriter, StreamLane) throws -> Void) throws {
        let service = try service()
        let quick = EndpointOptions(checkInterval: .milliseconds(1))
        var server = try service.makeServer(options: quick)
        let client = try service.makeClient(slots: 1, options: quick)
        do {
            var stream = try client.stream("x", timeout: patience)
            var writer = try server.next(timeout: patience).stream()
            try writer.send("part")
            let lane = stream.lane!
            try body(&stream, &writer, lane)
        }
        // The slot gets quiet, and its next stream is whole.
        for _ in 0..<2 {
            var stream = try client.stream("y", timeout: patience)
            var writer = try server.next(timeout: patience).stream()
            for number in 0..<6 { try writer.send("\(number)") }
            try writer.finish("end")
            for number in 0..<6 {
                #expect(try stream.next())
                #expect(stream.text == "\(number)")
            }
            #expect(try !stream.next())
            #expect(stream.takeReply()?.text == "end")
        }
    }

    @Test(
        "A tail that can't be: the client has an error that says what was found",
        arguments: [1, 8 * 33, 15, 1 << 40, .max, .max - 7, 1 << 63])
    func tails(tail: UInt64) throws {
        try attacked { stream, _, lane throws in
            sr_store_release_u64(sr_stream_tail(lane.control), tail)
            expectCallError(.stillOpen, .poisoned, saying: "\(tail) bytes") { () throws(CallError) in _ = try stream.next() }
            expectCallError(.stillOpen, .poisoned) { () throws(CallError) in _ = try stream.nextIfAvailable() }
        }
    }

    @Test("A tail that goes back") func tailBack() throws {
        try attacked { stream, _, lane throws in
            #expect(try stream.next())
            sr_store_release_u64(sr_stream_tail(lane.control), 8)
            expectCallError(.stillOpen, .poisoned, saying: "8 bytes") { () throws(CallError) in _ = try stream.next() }
        }
    }

    @Test(
        "A record that can't be: too large for the stream, for what was sent, or for the lane; a lap that is none; a kind that no server writes",
        arguments: [
            sr_stream_header(0, 121), sr_stream_header(0, 120), sr_stream_header(0, 9), sr_stream_header(0, .max), sr_stream_header(1, 0),
            sr_stream_header(2, 0), .max,
        ])
    func records(header: UInt64) throws {
        try attacked { stream, _, lane throws in
            sr_store_release_u64(lane.data, header)
            expectCallError(.stillOpen, .poisoned, saying: "header 0x\(String(header, radix: 16))") { () throws(CallError) in
                _ = try stream.next()
            }
        }
    }

    @Test("A lap's rest that goes beyond what was sent, and a record beyond the lane's end") func laps() throws {
        try attacked { stream, writer, lane throws in
            #expect(try stream.next())
            try writer.send("part")
            sr_store_release_u64(lane.place(16), sr_stream_header(1, 0))
            expectCallError(.stillOpen, .poisoned) { () throws(CallError) in _ = try stream.next() }
        }
        try attacked { stream, writer, lane throws in
            #expect(try stream.next())
            for _ in 0..<14 {
                try writer.send("part")
                #expect(try stream.next())
            }
            // At 240 of 256: a record of 24 bytes does not fit.
            try writer.send("part")
            try writer.send("part")
            sr_store_release_u64(lane.place(240), sr_stream_header(0, 16))
            expectCallError(.stillOpen, .poisoned) { () throws(CallError) in _ = try stream.next() }
        }
    }

    @Test("An impossible tail of a server that is gone: unknown, and what was found") func goneServer() throws {
        let service = try service()
        let client = try service.makeClient(slots: 1, options: EndpointOptions(checkInterval: .milliseconds(1)))
        var stream = try client.stream("x", timeout: patience)
        let memory = client.pool.memory
        // A claim of a server that can't be.
        sr_store_release_u64(sr_caller_claim(memory.caller(0)), sr_call_claim_word(1, sr_call_starter(63, 1)))
        sr_store_release_u64(sr_stream_tail(memory.stream(0).control), 3)
        expectCallError(.unknown, .peerDied, saying: "3 bytes") { () throws(CallError) in _ = try stream.next() }
    }

    @Test("A head that can't be: the writer has an error that says what was found", arguments: [8 * 33, 1, 4096, .max, .max - 7, 1 << 63])
    func heads(head: UInt64) throws {
        try attacked { stream, writer, lane throws in
            for _ in 0..<15 { try writer.send("part") }
            sr_store_release_u64(sr_stream_head(lane.control), head)
            expectError(.poisoned, saying: "\(head)") { () throws(RingError) in _ = try writer.trySend("part") }
            expectError(.poisoned) { () throws(RingError) in try writer.send("part") }
            while try stream.nextIfAvailable() == true {}
        }
    }

    @Test("A head that goes back gives no room twice") func headBack() throws {
        try attacked { stream, writer, lane throws in
            for _ in 0..<15 { try writer.send("part") }
            sr_store_release_u64(sr_stream_head(lane.control), 32)
            #expect(try writer.trySend("part"))
            #expect(try writer.trySend("part"))
            sr_store_release_u64(sr_stream_head(lane.control), 16)
            expectError(.poisoned, saying: "16 bytes", "32 to 288") { () throws(RingError) in _ = try writer.trySend("part") }
            // The forged head gave room that the client has not given.
            expectCallError(.stillOpen, .poisoned) { () throws(CallError) in _ = try stream.next() }
        }
    }

    @Test("serve goes on with the next call when a client's lane is poisoned") func serveGoesOn() throws {
        let service = try service()
        let server = try service.makeServer()
        let client = try service.makeClient(slots: 1)
        let memory = client.pool.memory
        let canceller = server.canceller
        let box = Box(server)
        let worker = Worker { () throws in
            var server = box.take()
            do {
                try server.serve { request, answer in
                    guard request.wantsStream else { return try answer.reply("fine") }
                    var writer = try answer.stream()
                    while true {
                        sr_store_release_u64(sr_stream_head(memory.stream(0).control), 3)
                        try writer.send("part")
                    }
                }
            } catch let error as RingError where error.code == .cancelled {}
        }
        var stream = try client.stream("x", timeout: patience)
        expectCallError(.failed(.dropped), .callFailed) { () throws(CallError) in while try stream.next() {} }
        #expect(try client.call("y", timeout: patience).text == "fine")
        canceller.cancel()
        try worker.join()
        withExtendedLifetime(client) {}
    }

    @Test("A check finds a lane that can't be") func check() throws {
        let service = try service()
        var server = try service.makeServer()
        let client = try service.makeClient(slots: 1)
        let stream = try client.stream("x", timeout: patience)
        var writer = try server.next(timeout: patience).stream()
        try writer.send("part")
        let lane = client.pool.memory.stream(0)
        #expect(try service.check().damage.map(\.detail) == [])
        sr_store_release_u64(sr_stream_tail(lane.control), 1 << 40)
        #expect(try service.check().damage.first?.detail.contains("\(1 << 40) bytes of a stream") == true)
        #expect(try service.report().callSlots.map(\.isStream) == [true])
        try writer.finish()
        // Behind the reply the client may set it back at any time.
        #expect(try service.check().damage.map(\.detail) == [])
        stream.stop()
    }

    @Test("Whatever the lane's words and its bytes hold, in whatever order: data or a typed error, and an end", arguments: 0..<20)
    func noise(seed: UInt64) throws {
        var random = seed &* 0x9e37_79b9_7f4a_7c15 | 1
        func word() -> UInt64 {
            random ^= random << 13
            random ^= random >> 7
            random ^= random << 17
            return random
        }
        let service = try service()
        let quick = EndpointOptions(checkInterval: .milliseconds(1))
        let client = try service.makeClient(slots: 2, options: quick)
        var server = try service.makeServer(options: quick)
        let memory = server.core.memory
        for _ in 0..<200 {
            var stream = try client.stream("x", timeout: patience)
            var writer = try server.next(timeout: patience).stream()
            for _ in 0..<word() % 30 {
                let lane = memory.stream(Int(word() % 2))
                let value = [word(), word() % 300, word() % 40 * 8, word() % 3 << 32 | word() % 130][Int(word() % 4)]
                switch word() % 8 {
                case 0: sr_store_release_u64(sr_stream_tail(lane.control), value)
                case 1: sr_store_release_u64(sr_stream_head(lane.control), value)
                case 2: sr_store_release_u64(lane.data + Int(word() % 32) * 8, value)
                case 3, 4:
                    do throws(RingError) { _ = try writer.trySend([UInt8](repeating: 1, count: Int(word() % 121))) } catch {
                        #expect([.poisoned, .streamStopped].contains(error.code), "\(error)")
                    }
                default:
                    do throws(CallError) { if try stream.nextIfAvailable() == true { _ = stream.array } } catch {
                        #expect(error.reason.code == .poisoned, "\(error)")
                    }
                }
            }
            try writer.finish()
            stream.stop()
        }
    }
}
