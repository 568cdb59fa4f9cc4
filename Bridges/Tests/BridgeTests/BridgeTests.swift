import BridgeTestSupport
import Foundation
import RingBridge
import SharedRing
import Testing

/// All that starts processes, one after the other.
@Suite("Bridge", .serialized, .enabled(if: Broker.isInstalled, "nats-server is not installed"))
enum Bridge {}

/// The number in `NAME NUMBER…`.
func number(of record: StreamReader.Record) -> Int {
    record.text.split(separator: " ").dropFirst().first.flatMap { Int($0.prefix { $0 != "." }) } ?? -1
}

func numbers(_ connection: BrokerConnection, _ stream: String = "S") throws -> [Int] {
    var numbers: [Int] = []
    try StreamReader(connection, stream: stream).forEach { if !$0.isOpening { numbers.append(number(of: $0)) } }
    return numbers
}

/// Numbered messages, from this process.
func send(_ range: Range<Int>, to producer: inout Producer, name: String = "t") throws {
    for number in range { try producer.send("\(name) \(number)", tag: UInt32(number), timeout: patience) }
}

/// Waits until the stream has this many messages. Ends with what the bridge said, if it has ended.
func waitFor(_ count: Int, _ connection: BrokerConnection, _ bridge: ChildProcess, stream: String = "S") throws {
    try waitUntil("\(count) messages are in the stream") {
        if bridge.hasEnded { throw ChildProcess.Failure(description: "the bridge has ended: \(bridge.output)") }
        return connection.state(of: stream).map { $0.last >= UInt64(count) } ?? false
    }
}

/// Ends a bridge in order.
func end(_ bridge: ChildProcess) -> Int32? {
    bridge.send(SIGTERM)
    return bridge.end()
}
