import Foundation
import Metrics
import MetricsTestKit
import RingServices
import ServiceLifecycle
import ServiceLifecycleTestKit
import SharedRing
import Synchronization
import Testing

import Logging

/// A line to the service, and its answer: "1:0-5000 2:0-17" as numbers by feeder.
private struct Client {
    let descriptor: Int32

    init(port: UInt16) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
        guard result == 0 else { throw Program.Failure(what: "can't connect: \(errno)") }
        var patience = timeval(tv_sec: 120, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    }

    func ask() throws -> [Int: Numbers] {
        guard write(descriptor, "?\n", 2) == 2 else { throw Program.Failure(what: "can't ask") }
        var answer: [UInt8] = []
        while answer.last != 10 {
            var buffer = [UInt8](repeating: 0, count: 1024)
            let count = read(descriptor, &buffer, buffer.count)
            guard count > 0 else { throw Program.Failure(what: "no answer") }
            answer += buffer[..<count]
        }
        return numbers(String(decoding: answer.dropLast(), as: UTF8.self))
    }
}

/// A client that asks without a pause, on a thread of its own.
private final class Load: Sendable {
    private let state = Mutex((answers: 0, isOver: false, hasEnded: false, failure: String?.none))

    init(port: UInt16) throws {
        let client = try Client(port: port)
        Thread { [self] in
            while !state.withLock({ $0.isOver }) {
                do {
                    _ = try client.ask()
                    state.withLock { $0.answers += 1 }
                } catch {
                    state.withLock { $0.failure = "\(error)" }
                    break
                }
            }
            close(client.descriptor)
            state.withLock { $0.hasEnded = true }
        }.start()
    }

    var answers: Int { state.withLock { $0.answers } }

    /// Why it got no answer, if it did not. An answer that does not come ends within the client's patience.
    func end() -> String? {
        state.withLock { $0.isOver = true }
        return eventually { state.withLock { $0.hasEnded } } ? state.withLock { $0.failure } : "it does not end"
    }
}

/// What one feeder's numbers are: all from the first to the last but one. -1 and -1: they have a gap.
private struct Numbers: Equatable {
    var first = -1
    var next = -1
}

private func numbers(_ text: String) -> [Int: Numbers] {
    var all: [Int: Numbers] = [:]
    for word in text.split(separator: " ") {
        let parts = word.split { $0 == ":" || $0 == "-" }
        all[Int(parts[0])!] = Int(parts[2]).map { Numbers(first: Int(parts[1])!, next: $0) } ?? Numbers()
    }
    return all
}

@Suite("The examples do what they are there to show")
struct ExampleTests {
    private let ring = "sharedring-example-\(getpid())-\(UInt32.random(in: 0 ... .max))"

    @Test("A key-value service answers the same behind calls and behind a socket", arguments: ["calls", "socket"])
    func keyValue(kind: String) throws {
        let place = kind == "calls" ? ring : "/tmp/\(ring)"
        defer {
            try? CallService.remove(ring)
            unlink("/tmp/\(ring)")
        }
        func ask(_ words: String...) throws -> (lines: [String], status: Int32) {
            let program = try Program("KeyValue", ["ask-\(kind)", place] + words)
            let status = try program.wait()
            // A line may be read a moment after the end.
            if status == 0 { _ = eventually(within: 10) { !program.lines.isEmpty } }
            return (program.lines, status)
        }
        let service = try Program("KeyValue", "serve-\(kind)", place)
        _ = try service.line(beginning: "ready")
        #expect(try ask("get", "EURUSD").status == 1)
        #expect(try ask("put", "EURUSD", "1.0842") == ([""], 0))
        #expect(try ask("get", "EURUSD") == (["1.0842"], 0))
        #expect(try ask("take", "EURUSD").status == 1)
    }

    @Test("What a request takes is said of both") func comparison() throws {
        let program = try Program("KeyValue", "compare", "0.3")
        #expect(try program.wait() == 0)
        #expect(eventually(within: 10) { program.lines.count == 3 })
        #expect(program.lines.allSatisfy { $0.contains("us a request") }, "\(program.lines)")
    }

    @Test("A service answers under load, loses nothing of a feeder that is killed, takes the next, and shuts down in order")
    func answers() throws {
        defer { try? SPSCRing.remove(ring) }
        let service = try Program("Answers", "serve", ring)
        let port = try #require(UInt16(try service.line(beginning: "port ")))
        let client = try Client(port: port)
        defer { close(client.descriptor) }
        // They go on asking while the feeder is killed and the next one comes.
        let loads = try (0..<4).map { _ in try Load(port: port) }

        let first = try Program("Answers", "feed", ring, "1")
        #expect(try eventually { try client.ask()[1, default: Numbers()].next > 100_000 })
        #expect(eventually { loads.allSatisfy { $0.answers > 100 } })
        first.kill()
        let answered = loads.map(\.answers)
        let sent = try #require(Int(try first.line(beginning: "sent ")))
        #expect(try eventually { try client.ask()[1, default: Numbers()].next > sent }, "what it had sent was committed")

        let second = try Program("Answers", "feed", ring, "2")
        #expect(try eventually { try client.ask()[2, default: Numbers()].next > 10_000 })
        #expect(eventually { zip(loads, answered).allSatisfy { $0.answers > $1 + 100 } }, "they are answered all the while")
        for load in loads { #expect(load.end() == nil) }
        service.terminate()
        #expect(try service.wait() == 0)
        let last = numbers(try service.line(beginning: "at the end "))
        #expect(last[1, default: Numbers()].first == 0 && last[1, default: Numbers()].next > sent)
        #expect(last[2, default: Numbers()].first == 0 && last[2, default: Numbers()].next > 10_000)

        // The next instance goes on where that one stopped: the second feeder's numbers have no gap across the two.
        let next = try Program("Answers", "serve", ring)
        let nextClient = try Client(port: try #require(UInt16(try next.line(beginning: "port "))))
        defer { close(nextClient.descriptor) }
        #expect(try eventually { try nextClient.ask()[2] != nil })
        #expect(try nextClient.ask()[2]?.first == last[2]?.next)
        second.kill()
        next.terminate()
        #expect(try next.wait() == 0)
    }

    @Test("The lines of many processes come into one file, those of a killed one too") func logs() throws {
        let file = "/dev/shm/\(ring).log"
        defer {
            unlink(file)
            try? MPSCRing.remove(ring)
        }
        let collector = try Program("LogCollector", "collect", ring, file, "5")
        let senders = try (0..<5).map { try Program("LogCollector", "log", ring, "sender\($0)", "200", $0 == 3 ? "die" : "live") }
        for (number, sender) in senders.enumerated() { #expect(try sender.wait() == (number == 3 ? -9 : 0)) }
        #expect(try collector.line(beginning: "collected ") == "1000 lines, 1 sender died")
        #expect(try collector.wait() == 0)
        let lines = try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n")
        #expect(lines.count == 1000)
        for number in 0..<5 {
            let own = lines.filter { $0.contains(" sender\(number): ") }
            #expect(own.map { $0.split(separator: " ").last! } == (0..<200).map { "\($0)" })
        }
    }

    @Test(
        "Words that make no sense are refused with status 2, and no ring is made",
        arguments: [
            ["LogCollector"], ["LogCollector", "usage"], ["LogCollector", "log", "lc", "x", "y"], ["LogCollector", "log", "lc", "x", "-1"],
            ["LogCollector", "collect", "lc", "/dev/null", "0"], ["LogCollector", "collect", "lc", "/dev/null", "some"],
            ["LogCollector", "frob", "lc", "x", "1"], ["Answers"], ["Answers", "feed", "lc"], ["Answers", "feed", "lc", "y"],
            ["Answers", "lc", "lc"],
        ]) func refusal(words: [String]) throws
    {
        let name = "examples-refusal-\(getpid())"
        #expect(try Program(words[0], words.dropFirst().map { $0 == "lc" ? name : $0 }).wait() == 2)
        #expect(!FileManager.default.fileExists(atPath: "/dev/shm/\(name)"))
    }

    @Test("A consumer as a service counts what it receives, and at graceful shutdown closes its role") func metrics() async throws {
        let metrics = TestMetrics()
        MetricsSystem.bootstrap(metrics)
        let ring = try SPSCRing.anonymous()
        let received = Mutex(0)
        try await testGracefulShutdown { trigger in
            let service = ConsumerService(ring, logger: Logger(label: "test"), metrics: RingMetrics(ring: "test")) { _ in
                received.withLock { $0 += 1 }
            }
            try await withThrowingTaskGroup { group in
                group.addTask { try await service.run() }
                let producer = try ring.makeProducer()
                for number in 0..<100 { try await producer.send(value: number) }
                while received.withLock({ $0 }) < 100 { await Task.yield() }
                trigger.triggerGracefulShutdown()
                try await group.waitForAll()
                // The role is free, in order: closed, not died.
                _ = try ring.makeConsumer()
            }
        }
        #expect(try metrics.expectCounter("ring_received_messages_total", [("ring", "test")]).totalValue == 100)
        #expect(try metrics.expectCounter("ring_received_bytes_total", [("ring", "test")]).totalValue == 800)
    }
}
