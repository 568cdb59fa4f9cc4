import Glibc
import Logging
import RingServices
import ServiceLifecycle
import SharedRing

/// A service that is fed through a ring and answers over TCP, and its feeder.
///
///     Answers serve RING            says "port N", serves until SIGTERM
///     Answers feed RING NUMBER      sends 0, 1, 2, … as feeder NUMBER, and says every number that was sent
@main
struct Answers {
    static func main() async throws {
        let arguments = CommandLine.arguments
        var options = RingOptions(capacity: 1 << 16)
        options.directory = "/dev/shm"
        func ring() throws(RingError) -> SPSCRing { try SPSCRing.openOrCreate(arguments[2], options: options) }
        switch (arguments.count, arguments.dropFirst().first) {
        case (3, "serve"): try await serve(try ring())
        case (4, "feed"):
            guard let number = UInt32(arguments[3]) else { usage() }
            try await feed(try ring(), as: number)
        default: usage()
        }
    }

    static func serve(_ ring: SPSCRing) async throws {
        LoggingSystem.bootstrap(StreamLogHandler.standardError)
        let logger = Logger(label: "answers")
        let board = Board()
        let feed = ConsumerService(ring, logger: logger) { message in board.note(message.integer(), of: message.tag) }
        // Shut down from the last to the first: no client is answered any more when the feed stops.
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: [feed, AnswerService(board: board, logger: logger)], gracefulShutdownSignals: [.sigterm], logger: logger))
        try await group.run()
        say("at the end \(board.text)")
    }

    static func feed(_ ring: SPSCRing, as number: UInt32) async throws {
        // The feeder before may have been killed a moment ago: its role is free at once.
        let producer = try ring.makeProducer()
        var next = 0
        while true {
            try await producer.send(value: next, tag: number)
            if next % 1000 == 0 { say("sent \(next)") }
            next += 1
        }
    }
}

/// For words that make no sense.
func usage() -> Never {
    let line = Array("usage: Answers serve RING | Answers feed RING NUMBER\n".utf8)
    _ = write(2, line, line.count)
    exit(2)
}

/// A line for the process that started this one, at once.
func say(_ line: String) {
    let bytes = Array((line + "\n").utf8)
    _ = write(1, bytes, bytes.count)
}
