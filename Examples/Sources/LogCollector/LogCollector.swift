import Glibc
import Logging
import RingServices
import SharedRing

/// Many processes log into a ring, one writes their lines to a file.
///
///     LogCollector collect RING FILE SENDERS    ends when so many have come, and all have gone
///     LogCollector log RING NAME COUNT [live|die]    logs COUNT lines through swift-log; `die`: kills itself then
@main
struct LogCollector {
    static func main() async throws {
        let arguments = CommandLine.arguments
        // Everything is looked at before a ring is made.
        guard (5...6).contains(arguments.count), let count = Int(arguments[4]), count > 0 else { usage() }
        func ring() throws(RingError) -> MPSCRing {
            try MPSCRing.openOrCreate(arguments[2], lanes: 64, options: RingOptions(capacity: 1 << 16))
        }
        switch (arguments[1], arguments.count == 6 ? arguments[5] : nil) {
        case ("collect", nil): try await collect(try ring(), file: arguments[3], senders: count)
        case ("log", nil), ("log", "live"): try log(try ring(), name: arguments[3], count: count, dies: false)
        case ("log", "die"): try log(try ring(), name: arguments[3], count: count, dies: true)
        default: usage()
        }
    }

    static func collect(_ ring: MPSCRing, file: String, senders: Int) async throws {
        // By hand: a line is given back when it is in the file, so that it comes again if this process dies before.
        var consumer = try ring.makeConsumer(ending: .whenAllEnded(atLeast: senders), acknowledgement: .manual)
        guard let output = fopen(file, "a") else { throw CollectorFailure(errno: errno) }
        defer { fclose(output) }
        var lines = 0
        func take(_ message: borrowing Message) throws {
            guard fputs(message.text + "\n", output) >= 0, fflush(output) == 0 else { throw CollectorFailure(errno: errno) }
            lines += 1
        }
        do {
            try await consumer.forEach(take)
            try consumer.acknowledge()
            print("collected \(counted(lines, "line")), all senders closed")
        } catch let error as RingError where error.code == .peerDied {
            try consumer.acknowledge()
            print("collected \(counted(lines, "line")), \(counted(consumer.ends.died, "sender")) died")
        }
        _ = try consumer.removeRingIfUnused()
        try consumer.close()
    }

    static func log(_ ring: MPSCRing, name: String, count: Int, dies: Bool) throws {
        let lane = RingLogHandler.Lane(try ring.makeProducer())
        LoggingSystem.bootstrap { RingLogHandler(label: $0, lane: lane) }
        var logger = Logger(label: name)
        logger[metadataKey: "pid"] = "\(getpid())"
        for number in 0..<count { logger.info("line \(number)") }
        if dies { kill(getpid(), SIGKILL) }
        try lane.close()
    }
}

/// For words that make no sense. Not standard output, which may be a reader's data, and not status 0.
func usage() -> Never {
    let line = Array("usage: LogCollector collect RING FILE SENDERS | LogCollector log RING NAME COUNT [live|die]\n".utf8)
    _ = write(2, line, line.count)
    exit(2)
}

/// "1 line", "2 lines".
func counted(_ count: some BinaryInteger, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }

struct CollectorFailure: Error {
    let errno: Int32
}
