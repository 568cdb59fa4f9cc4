import CSharedRing
import CTestSupport
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import SharedRing

/// A service with streams, its server and a client, in one process.
struct StreamPair: ~Copyable {
    let service: CallService
    var server: CallServer
    let client: CallClient

    init(capacity: Int = 256, slots: Int = 2, checkInterval: Duration = .milliseconds(10), barrier: RingOptions.Barrier = .automatic) throws
    {
        var options = RingOptions()
        options.barrier = barrier
        let service = try CallService.anonymous(
            shape: CallService.Shape(clients: 4, servers: 2, requestCapacity: 256, replyCapacity: 256, streamCapacity: capacity),
            options: options)
        let client = try service.makeClient(slots: slots, options: EndpointOptions(checkInterval: checkInterval))
        server = try service.makeServer(options: EndpointOptions(checkInterval: checkInterval))
        self.service = service
        self.client = client
    }

    /// A stream that both sides have open.
    mutating func open(_ request: String = "x", timeout: Duration? = patience) throws -> Opened {
        let stream = try client.stream(request, timeout: timeout)
        let writer = try server.next(timeout: patience).stream()
        return Opened(stream: stream, writer: writer)
    }

    struct Opened: ~Copyable {
        var stream: CallStream
        var writer: CallStreamWriter
    }
}

@Suite("Streams: a reply of many parts, in order, with back-pressure and one end", .oneByOne)
struct StreamTests {
    @Test(
        "Parts of all sizes arrive whole and in order, and the reply behind them", arguments: [RingOptions.Barrier.automatic, .symmetric])
    func parts(barrier: RingOptions.Barrier) throws {
        let pair = try StreamPair(capacity: 1024, barrier: barrier)
        let canceller = pair.server.canceller
        #expect(pair.client.partCapacity == 504)
        let box = Box(pair.server)
        let worker = Worker { () throws in
            var server = box.take()
            do {
                try server.serve { request, answer in
                    #expect(request.wantsStream && request.text == "sizes")
                    var writer = try answer.stream()
                    #expect(writer.partCapacity == 504)
                    for size in 0...504 { try writer.send([UInt8](repeating: UInt8(truncatingIfNeeded: size), count: size)) }
                    for size in 0...504 {
                        try writer.send(byteCount: size) { span in
                            for index in 0..<size {
                                span.storeBytes(of: UInt8(truncatingIfNeeded: size), toByteOffset: index, as: UInt8.self)
                            }
                        }
                    }
                    try writer.finish("all")
                }
            } catch let error as RingError where error.code == .cancelled {}
        }
        for _ in 0..<2 {
            var expected = 0
            var stream = try pair.client.stream("sizes", timeout: patience)
            while try stream.next() {
                let size = expected % 505
                #expect(stream.array == [UInt8](repeating: UInt8(truncatingIfNeeded: size), count: size))
                expected += 1
            }
            #expect(expected == 1010)
            #expect(stream.array == [])
            #expect(stream.takeReply()?.text == "all")
            let none = try stream.next()
            #expect(!none)
        }
        var count = 0
        let reply = try pair.client.stream(Array("sizes".utf8), timeout: patience) { part in
            #expect(part.byteCount == count % 505)
            count += 1
        }
        #expect(count == 1010 && reply.text == "all")
        canceller.cancel()
        try worker.join()
    }

    @Test("A server that is ahead has no room, and goes on when the client has read") func backPressure() throws {
        var pair = try StreamPair()
        var open = try pair.open()
        // 256 bytes: sixteen records of 16 bytes.
        for number in 0..<16 { #expect(try open.writer.trySend("\(number)")) }
        #expect(try !open.writer.trySend("16"))
        expectError(.timedOut, saying: "no room") { () throws(RingError) in try open.writer.send("16", timeout: .zero) }
        #expect(try open.stream.next())
        #expect(open.stream.text == "0")
        // The first part is still the client's.
        #expect(try !open.writer.trySend("16"))
        for number in 1...3 {
            #expect(try open.stream.next())
            #expect(open.stream.text == "\(number)")
        }
        // An eighth of the lane was given back.
        #expect(try open.writer.trySend("16"))
        for number in 4...16 {
            #expect(try open.stream.next())
            #expect(open.stream.text == "\(number)")
        }
        #expect(try open.stream.nextIfAvailable() == nil)
        try open.writer.finish()
        #expect(try open.stream.nextIfAvailable() == false)
        #expect(open.stream.takeReply()?.array == [])
    }

    @Test("The largest part fits wherever the last one ended; a larger one is refused, and the stream goes on") func largest() throws {
        var pair = try StreamPair()
        var open = try pair.open()
        for first in 0..<20 {
            try open.writer.send([UInt8](repeating: 1, count: 8 * first % 120), timeout: .zero)
            #expect(try open.stream.next())
            #expect(try open.stream.nextIfAvailable() == nil)  // which acknowledges
            try open.writer.send([UInt8](repeating: 2, count: 120), timeout: .zero)
            #expect(try open.stream.next())
            #expect(open.stream.array == [UInt8](repeating: 2, count: 120))
            #expect(try open.stream.nextIfAvailable() == nil)
        }
        expectError(.messageTooLarge, saying: "121 bytes", "120") { () throws(RingError) in
            try open.writer.send([UInt8](repeating: 0, count: 121))
        }
        try open.writer.send("more")
        try open.writer.finish("end")
        #expect(try open.stream.next())
        #expect(try !open.stream.next())
        #expect(open.stream.takeReply()?.text == "end")
    }

    @Test("A writer whose body throws sends no part, and goes on") func bodyThrows() throws {
        struct Mine: Error {}
        var pair = try StreamPair()
        let open = try pair.open()
        var stream = open.stream
        var writer = open.writer
        #expect(throws: Mine.self) { try writer.send(byteCount: 8) { _ in throw Mine() } }
        try writer.send("a")
        #expect(try stream.next())
        #expect(stream.text == "a")
        try writer.refuse("enough")
        expectCallError(.failed(.refused), .callFailed) { () throws(CallError) in _ = try stream.next() }
        // It is over, and says so again.
        expectCallError(.failed(.refused), .callFailed) { () throws(CallError) in _ = try stream.next() }
    }

    @Test("A writer that ends without an end fails the call, behind its parts") func dropped() throws {
        var pair = try StreamPair()
        var stream = try pair.client.stream("x", timeout: patience)
        do {
            var writer = try pair.server.next(timeout: patience).stream()
            try writer.send("a")
        }
        #expect(try stream.next())
        #expect(stream.text == "a")
        expectCallError(.failed(.dropped), .callFailed) { () throws(CallError) in _ = try stream.next() }
    }

    @Test("A reply without a stream is a stream without parts") func ordinaryReply() throws {
        var pair = try StreamPair()
        var stream = try pair.client.stream("x", timeout: patience)
        try pair.server.next(timeout: patience).reply("plain")
        #expect(try !stream.next())
        #expect(stream.takeReply()?.text == "plain")
    }

    @Test("An ordinary call has no stream: it fails, and serve goes on. So it does when a client stops") func serveGoesOn() throws {
        let pair = try StreamPair()
        let client = pair.client
        let canceller = pair.server.canceller
        let box = Box(pair.server)
        let worker = Worker { () throws -> Int in
            var server = box.take()
            var handled = 0
            do {
                try server.serve { request, answer in
                    handled += 1
                    var writer = try answer.stream()
                    for _ in 0..<100 { try writer.send(request.bytes) }
                    try writer.finish()
                }
            } catch let error as RingError where error.code == .cancelled {}
            return handled
        }
        expectCallError(.failed(.dropped), .callFailed) { () throws(CallError) in _ = try client.call("x", timeout: patience) }
        for _ in 0..<10 {
            var stream = try client.stream("part", timeout: patience)
            #expect(try stream.next())
            stream.stop()
        }
        let reply = try client.stream(Array("part".utf8), timeout: patience) { #expect($0.byteCount == 4) }
        #expect(reply.array == [])
        canceller.cancel()
        #expect(try worker.join() == 12)
    }

    @Test("A stop ends the server's wait for room, and the slot is used again once the server has ended the call")
    func stopWhileWaiting() throws {
        // Only the stop itself wakes it.
        var pair = try StreamPair(slots: 1, checkInterval: longCheckInterval)
        for turn in 0..<20 {
            let open = try pair.open()
            var stream = open.stream
            let opened = open.writer
            expectStopped(opened, false)
            let box = Box(opened)
            let worker = Worker { () throws in
                var writer = box.take()
                expectError(.streamStopped, saying: "wants no more") { () throws(RingError) in while true { try writer.send("part") } }
                expectStopped(writer)
                expectError(.streamStopped) { () throws(RingError) in _ = try writer.trySend("part") }
                try writer.finish("late")
            }
            #expect(try stream.next())
            // Every other time the writer may still be on its way to sleep.
            if turn % 2 == 0 { #expect(eventually { isWriterAsleep(stream) }) }
            stream.stop()
            try worker.join()
        }
        let report = try pair.service.report()
        #expect(report.callSlots.map(\.lateReplies).reduce(0, +) >= 19)
    }

    @Test("A server that closes ends the stream of another thread that waits for room: closed") func closes() throws {
        var pair = try StreamPair(checkInterval: longCheckInterval)
        let open = try pair.open()
        var stream = open.stream
        let writer = open.writer
        let gate = Gate(2)
        let box = Box(writer)
        let worker = Worker { () throws in
            var writer = box.take()
            gate.pass()
            expectError(.ended, saying: "answered already") { () throws(RingError) in while true { try writer.send("part") } }
            expectError(.ended) { () throws(RingError) in try writer.send("part") }
        }
        gate.pass()
        #expect(eventually { isWriterAsleep(stream) })
        try pair.server.end()
        try worker.join()
        var parts = 0
        expectCallError(.failed(.closed), .callFailed) { () throws(CallError) in while try stream.next() { parts += 1 } }
        #expect(parts == 16)
    }

    @Test("In a forked child both ends throw forked, a look says that the call is over, and the parent goes on") func forked() throws {
        var pair = try StreamPair()
        let request: CallRequest
        let client = pair.client
        let caller = Worker { () throws in try client.call("ordinary", timeout: patience).text }
        request = try pair.server.next(timeout: patience)
        var open = try pair.open()
        #expect(try open.writer.trySend("part"))
        let child = ts_split()
        if child == 0 {
            var found: Int32 = 0
            if open.writer.isStopped { found |= 1 }
            if request.isGivenUp { found |= 2 }
            do throws(RingError) { _ = try open.writer.trySend("part") } catch { if error.code == .forked { found |= 4 } }
            do throws(CallError) { _ = try open.stream.next() } catch { if error.reason.code == .forked { found |= 8 } }
            do throws(CallError) { _ = try open.stream.nextIfAvailable() } catch { if error.reason.code == .forked { found |= 16 } }
            ts_leave(31 - found)
        }
        #expect(end(of: child) == 0)
        #expect(!open.writer.isStopped && !request.isGivenUp)
        try request.reply("answered")
        #expect(try caller.join() == "answered")
        #expect(try open.stream.next())
        #expect(open.stream.text == "part")
        try open.writer.finish("end")
        let isMore = try open.stream.next()
        #expect(!isMore)
        #expect(open.stream.takeReply()?.text == "end")
    }

    @Test("The server's canceller ends a wait for room") func cancelled() throws {
        var pair = try StreamPair(checkInterval: longCheckInterval)
        let open = try pair.open()
        var stream = open.stream
        let writer = open.writer
        let canceller = pair.server.canceller
        let box = Box(writer)
        let worker = Worker { () throws in
            var writer = box.take()
            expectError(.cancelled) { () throws(RingError) in while true { try writer.send("part") } }
            canceller.reset()
            #expect(try !writer.trySend("part"))
            try writer.finish("ended")
        }
        #expect(eventually { isWriterAsleep(stream) })
        canceller.cancel()
        try worker.join()
        var parts = 0
        while try stream.next() { parts += 1 }
        #expect(parts == 16)
        #expect(stream.takeReply()?.text == "ended")
    }

    @Test("A canceller that was used ends also a writer that always has room") func cancelledBefore() throws {
        var pair = try StreamPair()
        var open = try pair.open()
        pair.server.canceller.cancel()
        expectError(.cancelled) { () throws(RingError) in try open.writer.send("part") }
        #expect(try open.writer.trySend("part"))
    }

    @Test("The client's deadline and its cancellation give the call up: withdrawn, or still open") func givenUp() throws {
        var pair = try StreamPair()
        var waiting = try pair.client.stream("x", timeout: .milliseconds(1))
        expectCallError(.notExecuted, .timedOut) { () throws(CallError) in _ = try waiting.next() }
        var open = try pair.open(timeout: .milliseconds(20))
        try open.writer.send("a")
        #expect(try open.stream.next())
        expectCallError(.stillOpen, .timedOut) { () throws(CallError) in while try open.stream.next() {} }
        expectStopped(open.writer)
        var second = try pair.open()
        try second.writer.send("a")
        pair.client.cancel()
        expectCallError(.stillOpen, .cancelled) { () throws(CallError) in _ = try second.stream.next() }
        expectStopped(second.writer)
        pair.client.resume()
    }

    @Test("A stream whose server is always ahead ends at its deadline as well") func deadlineOfReady() throws {
        var pair = try StreamPair()
        var stream = try pair.client.stream("x", timeout: .milliseconds(5))
        let box = Box(try pair.server.next(timeout: patience).stream())
        let worker = Worker { () throws in
            var writer = box.take()
            expectError(.streamStopped) { () throws(RingError) in while true { try writer.send("part") } }
        }
        expectCallError(.stillOpen, .timedOut) { () throws(CallError) in while try stream.next() {} }
        try worker.join()
    }

    @Test("A send that times out, and an error of one's own, in a handler: the first ends that call only, the second the server")
    func handlerThrows()
        throws
    {
        struct Mine: Error {}
        let pair = try StreamPair()
        let client = pair.client
        let service = pair.service
        let box = Box(pair.server)
        let worker = Worker { () throws -> Bool in
            var server = box.take()
            do {
                try server.serve { request, answer in
                    guard request.wantsStream else { throw Mine() }
                    var writer = try answer.stream()
                    while true { try writer.send("part", timeout: .zero) }
                }
            } catch is Mine { return true }
            return false
        }
        for _ in 0..<3 {
            var stream = try client.stream("x", timeout: patience)
            // Nothing is read before the server has found no room.
            #expect(eventually { (try? service.report().callSlots.allSatisfy { $0.state == .quiet }) == true })
            var parts = 0
            expectCallError(.failed(.dropped), .callFailed) { () throws(CallError) in while try stream.next() { parts += 1 } }
            #expect(parts == 16)
        }
        expectCallError(.failed(.dropped), .callFailed) { () throws(CallError) in _ = try client.call("last", timeout: patience) }
        #expect(try worker.join())
    }

    @Test("A service without streams has none, and takes none") func without() throws {
        let service = try CallService.anonymous()
        let client = try service.makeClient()
        #expect(client.partCapacity == 0 && service.shape.streamCapacity == 0)
        expectCallError(.notExecuted, .noStream) { () throws(CallError) in _ = try client.stream("x") }
    }

    @Test("A capacity is rounded up to a power of two, and one that can't be is refused") func capacities() throws {
        for (wanted, made) in [(1, 256), (256, 256), (257, 512), (5000, 8192), (0, 0)] {
            let service = try CallService.anonymous(shape: CallService.Shape(clients: 1, streamCapacity: wanted))
            #expect(service.shape.streamCapacity == made)
        }
        for wanted in [-1, Int.min, Int.max, 1 << 29 + 1] {
            expectError(.invalidOption, saying: "\(wanted)") { () throws(RingError) in
                _ = try CallService.anonymous(shape: CallService.Shape(clients: 1, streamCapacity: wanted))
            }
        }
    }

    @Test("Calls with and without a stream take turns in one slot") func inTurns() throws {
        let pair = try StreamPair(slots: 1)
        let canceller = pair.server.canceller
        let box = Box(pair.server)
        let worker = Worker { () throws in
            var server = box.take()
            do {
                try server.serve { request, answer in
                    guard request.wantsStream else { return try answer.reply(request.bytes) }
                    var writer = try answer.stream()
                    for number in 0..<50 { try writer.send("\(request.text) \(number)") }
                    try writer.finish(request.text)
                }
            } catch let error as RingError where error.code == .cancelled {}
        }
        for turn in 0..<40 {
            #expect(try pair.client.call("call \(turn)", timeout: patience).text == "call \(turn)")
            var stream = try pair.client.stream("s\(turn)", timeout: patience)
            var number = 0
            while try stream.next() {
                #expect(stream.text == "s\(turn) \(number)")
                number += 1
            }
            #expect(number == 50 && stream.takeReply()?.text == "s\(turn)")
        }
        canceller.cancel()
        try worker.join()
    }

    @Test("A retry with a stream carries the first call's name") func retry() throws {
        var pair = try StreamPair()
        let first = try pair.open("one")
        let token = first.stream.token
        let again = try pair.client.stream("one", retrying: token, timeout: patience)
        let request = try pair.server.next(timeout: patience)
        #expect(request.isRetry && request.wantsStream && request.token == token)
        try request.reply("")
        again.stop()
    }
}

func expectStopped(_ writer: borrowing CallStreamWriter, _ expected: Bool = true, sourceLocation: SourceLocation = #_sourceLocation) {
    let found = writer.isStopped
    #expect(found == expected, sourceLocation: sourceLocation)
}

/// Whether the writer of the stream's slot sleeps for room, or is about to.
func isWriterAsleep(_ stream: borrowing CallStream) -> Bool { stream.lane.map { EventCount.isAnyoneAsleep($0.roomWord) } ?? false }

@Suite("Streams in tasks: no thread is held", .oneByOne)
struct StreamAsyncTests {
    @Test("Both sides in tasks, with back-pressure") func tasks() async throws {
        var pair = try StreamPair()
        let client = pair.client
        let reader = Task {
            var stream = try await client.stream("x", timeout: asyncPatience)
            var parts: [String] = []
            while try await stream.next() { parts.append(stream.text) }
            return parts + [stream.takeReply()!.text]
        }
        var writer = try await pair.server.next(timeout: asyncPatience).stream()
        for number in 0..<500 { try await writer.send("part \(number)", timeout: asyncPatience) }
        try await writer.send(byteCount: 1) { $0.storeBytes(of: 65, as: UInt8.self) }
        try writer.finish("end")
        let found = try await reader.value
        #expect(found == (0..<500).map { "part \($0)" } + ["A", "end"])
    }

    @Test("As a sequence of copies, and again") func sequence() async throws {
        var pair = try StreamPair()
        let parts = pair.client.parts(of: Array("3".utf8), within: asyncPatience)
        let reader = Task {
            var found: [[UInt8]] = []
            for _ in 0..<2 { for try await part in parts { found.append(part) } }
            return found
        }
        for _ in 0..<2 {
            var writer = try await pair.server.next(timeout: asyncPatience).stream()
            for number in 0..<3 { try await writer.send([UInt8(number)]) }
            try writer.finish()
        }
        #expect(try await reader.value == [[0], [1], [2], [0], [1], [2]])
    }

    @Test("Handed to a body, one after another") func body() async throws {
        var pair = try StreamPair()
        let client = pair.client
        let reader = Task {
            var count = 0
            let reply = try await client.stream([], timeout: asyncPatience) { part in
                await Task.yield()
                count += part.byteCount
            }
            return "\(count) \(reply.text)"
        }
        var writer = try await pair.server.next(timeout: asyncPatience).stream()
        for number in 0..<100 { try await writer.send([UInt8](repeating: 0, count: number)) }
        try writer.finish("end")
        #expect(try await reader.value == "4950 end")
    }

    @Test("A loop that is left stops its stream") func sequenceLeft() async throws {
        var pair = try StreamPair(checkInterval: longCheckInterval)
        let client = pair.client
        let reader = Task {
            for try await part in client.parts(of: [], within: asyncPatience) { return part }
            return []
        }
        var writer = try await pair.server.next(timeout: asyncPatience).stream()
        do throws(RingError) {
            while true { try await writer.send("part", timeout: asyncPatience) }
        } catch {
            #expect(error.code == .streamStopped, "\(error)")
        }
        #expect(try await reader.value == Array("part".utf8))
    }

    @Test("A cancelled task ends its wait for a part, and for room; also where it need not wait") func taskCancelled() async throws {
        var pair = try StreamPair(checkInterval: longCheckInterval)
        let client = pair.client
        let reader = Task {
            var stream = try await client.stream("x")
            do throws(CallError) {
                while try await stream.next() {}
            } catch {
                return "\(error.outcome) \(error.reason.code)"
            }
            return "ended"
        }
        let box = Box(try await pair.server.next(timeout: asyncPatience).stream())
        let sender = Task { () -> RingError.Code? in
            var writer = box.take()
            do throws(RingError) { while true { try await writer.send("part") } } catch { return error.code }
        }
        reader.cancel()
        let read = await (try? reader.value) ?? "threw"
        #expect(["is still open cancelled", "was not executed cancelled"].contains(read), "\(read)")
        #expect(await sender.value == .streamStopped)

        let second = try await client.stream("y")
        let other = Box(try await pair.server.next(timeout: asyncPatience).stream())
        let stuck = Task { () -> RingError.Code? in
            var writer = other.take()
            do throws(RingError) { while true { try await writer.send("part") } } catch { return error.code }
        }
        #expect(await eventually { isWriterAsleep(second) })
        stuck.cancel()
        #expect(await stuck.value == .cancelled)
        second.stop()
    }

    @Test("The server's canceller ends a task's wait for room; so does a close") func canceller() async throws {
        for closes in [false, true] {
            var pair = try StreamPair(checkInterval: longCheckInterval)
            let stream = try await pair.client.stream("y")
            let other = Box(try await pair.server.next(timeout: asyncPatience).stream())
            let stuck = Task { () -> RingError.Code? in
                var writer = other.take()
                do throws(RingError) { while true { try await writer.send("part") } } catch { return error.code }
            }
            #expect(await eventually { isWriterAsleep(stream) })
            if closes { try pair.server.end() } else { pair.server.canceller.cancel() }
            #expect(await stuck.value == (closes ? .ended : .cancelled))
            stream.stop()
        }
    }

    @Test("serve in a task goes on when a client stops") func serve() async throws {
        var pair = try StreamPair()
        let client = pair.client
        let caller = Task {
            for _ in 0..<5 {
                var stream = try await client.stream("x", timeout: asyncPatience)
                _ = try await stream.next()
                stream.stop()
            }
            return try await client.call("last", timeout: asyncPatience).text
        }
        do {
            try await pair.server.serve { request in
                guard request.wantsStream else {
                    let bytes = request.array
                    try request.reply(bytes)
                    throw RingError(.ended, ring: "", "done")
                }
                var writer = try request.stream()
                while true { try await writer.send("part", timeout: asyncPatience) }
            }
        } catch let error as RingError { #expect(error.code == .ended, "\(error)") }
        #expect(try await caller.value == "last")
    }
}
