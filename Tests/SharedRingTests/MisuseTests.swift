import Foundation
import TestSupport
import Testing

@Suite("Misuse does not compile", .oneByOne, .serialized)
struct MisuseTests {
    static let swiftc = SteadyStateTests.find("swiftc")
    static let products = (Peer.executable as NSString).deletingLastPathComponent
    static let package: String = {
        var path = #filePath as NSString
        while path.length > 1, !FileManager.default.fileExists(atPath: path.appendingPathComponent("Package.swift")) {
            path = path.deletingLastPathComponent as NSString
        }
        return path as String
    }()

    /// Compiles the snippet as a client would, with no flag of ours; gives the compiler's errors.
    private func errors(in snippet: String) throws -> [String] {
        let place = Place()
        let file = place.path("snippet.swift")
        try ("import SharedRing\n" + snippet).write(toFile: file, atomically: false, encoding: .utf8)
        // The checks meant here are made on SIL: -typecheck would let everything pass.
        // A shell joins the compiler's two outputs.
        let compiler = try Peer(
            [
                "-c", "exec \"$@\" 2>&1", "sh", Self.swiftc!, "-frontend", "-emit-sil", "-swift-version", "6",
                "-I", Self.products + "/Modules", "-Xcc", "-fmodule-map-file=\(Self.package)/Sources/CAtomics/include/module.modulemap",
                "-Xcc", "-I\(Self.package)/Sources/CAtomics/include", "-module-cache-path", Self.products + "/ModuleCacheOfMisuse",
                "-o", "/dev/null", file,
            ], executable: "/bin/sh")
        var lines: [String] = []
        while let line = try? compiler.line() { lines.append(line) }
        try compiler.wait()
        return lines.filter { $0.contains("error: ") }
    }

    struct Snippet: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let code: String
        let expected: String

        init(_ what: String, _ expected: String, _ code: String) {
            testDescription = what
            self.expected = expected
            self.code = code
        }
    }

    static let snippets = [
        Snippet(
            "two claims at once", "overlapping accesses to 'producer'",
            """
            func f(_ producer: inout Producer) throws {
                let a = try producer.claim(byteCount: 8)
                let b = try producer.claim(byteCount: 8)
                a.commit()
                b.commit()
            }
            """),
        Snippet(
            "sending while a claim is open", "overlapping accesses to 'producer'",
            """
            func f(_ producer: inout Producer) throws {
                let a = try producer.claim(byteCount: 8)
                try producer.send([1])
                a.commit()
            }
            """),
        Snippet(
            "sending while a batch is open", "overlapping accesses to 'producer'",
            """
            func f(_ producer: inout Producer) throws {
                var batch = producer.batch()
                try producer.send([1])
                try batch.append([2])
                batch.commit()
            }
            """),
        Snippet(
            "a claim that outlives its producer", "lifetime-dependent",
            """
            func f(_ ring: SPSCRing) throws {
                var kept: Producer.Claim
                do {
                    var producer = try ring.makeProducer()
                    kept = try producer.claim(byteCount: 8)
                }
                kept.commit()
            }
            """),
        Snippet(
            "a message that escapes its loop", "overlapping accesses to 'consumer'",
            """
            func f(_ consumer: inout Consumer) throws {
                guard let first = try consumer.next() else { return }
                while let second = try consumer.next() { print(first.text, second.text) }
            }
            """),
        Snippet(
            "a message's bytes after its end", "lifetime-dependent",
            """
            func f(_ consumer: inout Consumer) throws {
                var kept = RawSpan()
                if let message = try consumer.next() { kept = message.bytes }
                print(kept.byteCount)
            }
            """),
        Snippet(
            "a stored message", "~Escapable",
            """
            final class Keeper { var message: Message? = nil }
            """),
        Snippet(
            "a message out of drain", "lifetime-dependent",
            """
            func f(_ consumer: inout Consumer) {
                var kept = RawSpan()
                consumer.drain { message in kept = message.bytes }
                print(kept.byteCount)
            }
            """),
        Snippet(
            "a producer after close", "'producer' used after consume",
            """
            func f(_ ring: SPSCRing) throws {
                var producer = try ring.makeProducer()
                try producer.close()
                try producer.send([1])
            }
            """),
        Snippet(
            "closing twice", "'consumer' consumed more than once",
            """
            func f(_ ring: SPSCRing) throws {
                let consumer = try ring.makeConsumer()
                try consumer.close()
                try consumer.close()
            }
            """),
        Snippet(
            "a copied producer", "'producer' consumed more than once",
            """
            func f(_ ring: SPSCRing) throws -> (Int, Int) {
                let producer = try ring.makeProducer()
                let a = producer
                let b = producer
                return (a.lane, b.lane)
            }
            """),
        Snippet(
            "an endpoint used by two threads", "SendingRisksDataRace",
            """
            func f(_ ring: SPSCRing) throws {
                var consumer = try ring.makeConsumer()
                Task { _ = try await consumer.receive() }
                _ = try consumer.receive()
            }
            """),
        Snippet(
            "committing a claim twice", "'claim' consumed more than once",
            """
            func f(_ producer: inout Producer) throws {
                let claim = try producer.claim(byteCount: 8)
                claim.commit()
                claim.commit()
            }
            """),
    ]

    @Test("Each is an error that says why", .enabled(if: swiftc != nil, "needs swiftc"), arguments: snippets) func rejected(
        _ snippet: Snippet
    ) throws {
        let errors = try errors(in: snippet.code)
        #expect(errors.contains { $0.contains(snippet.expected) }, "\(errors)")
    }

    /// Swift 6.3.1 forgets the dependence of an optional that is assigned later. When this starts to fail, it was mended:
    /// move the snippet up.
    @Test("A message in an optional outlives its consumer: the compiler does not see it", .enabled(if: swiftc != nil, "needs swiftc"))
    func knownHole() throws {
        let errors = try errors(
            in: """
                func f(_ ring: SPSCRing) throws {
                    var kept: Message?
                    do {
                        var consumer = try ring.makeConsumer()
                        kept = try consumer.next()
                    }
                    if let message = consume kept { print(message.tag) }
                }
                """)
        withKnownIssue { #expect(errors != []) }
    }

    @Test("The correct program compiles, so that the others could", .enabled(if: swiftc != nil, "needs swiftc")) func control() throws {
        let errors = try errors(
            in: """
                func f(_ ring: SPSCRing) throws {
                    var producer = try ring.makeProducer()
                    var claim = try producer.claim(byteCount: 8)
                    var bytes = claim.bytes
                    bytes.storeBytes(of: 1, as: UInt64.self)
                    claim.commit()
                    var batch = producer.batch()
                    try batch.append([2])
                    batch.commit()
                    try producer.send("x")
                    var consumer = try ring.makeConsumer()
                    while let message = try consumer.next(timeout: .zero) { print(message.text, message.bytes.byteCount) }
                    let count = consumer.drain { message in print(message.tag) }
                    print(count)
                    try producer.close()
                    let canceller = consumer.canceller
                    Task { canceller.cancel() }
                    var box: Consumer? = consume consumer
                    let task = box.take()!
                    try task.close()
                }
                """)
        #expect(errors == [])
    }
}
