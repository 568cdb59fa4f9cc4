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
        guard arguments.count >= 3 else { return print("usage: see Answers.swift") }
        var options = RingOptions(capacity: 1 << 16)
        options.directory = "/dev/shm"
        let ring = try SPSCRing.openOrCreate(arguments[2], options: options)
        if arguments[1] == "feed" { try await feed(ring, as: UInt32(arguments[3])!) } else { try await serve(ring) }
    }

    static func serve(_ ring: SPSCRing) async throws {
        LoggingSystem.bootstrap(StreamLogHandler.standardError)
        let logger = Logger(label: "answers")
        let board = Board()
        let feed = ConsumerService(ring, logger: logger) { message in board.note(message.integer(), of: message.tag) }
        // Shut down from the last to the first: nobody is answered any more when the feed stops.
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

/// A line for whoever started this process, at once.
func say(_ line: String) {
    let bytes = Array((line + "\n").utf8)
    _ = write(1, bytes, bytes.count)
}
