import Foundation
import RingBridge

/// Brokers of one cluster, on the loopback.
public final class Cluster {
    public let brokers: [Broker]

    public init(_ workplace: Workplace, count: Int) throws {
        guard count > 1 else {
            brokers = [try Broker(workplace)]
            return
        }
        let ports = try (0..<count).map { _ in try Broker.freePort() }
        let routes = ports.map { "nats://127.0.0.1:\($0)" }.joined(separator: ", ")
        brokers = try (0..<count).map { index in
            try Broker(
                workplace, name: "broker\(index)",
                settings: "cluster { name: \"cluster\", listen: \"127.0.0.1:\(ports[index])\", routes: [\(routes)] }")
        }
    }

    public var url: String { brokers.map(\.url).joined(separator: ",") }

    /// A connection of the test itself.
    public func connection() throws -> BrokerConnection {
        var options = BrokerOptions()
        options.servers = brokers.map(\.url)
        options.name = "test"
        return try BrokerConnection(options)
    }

    /// Whether each broker has this message of the stream in its own files, or has it within half a second.
    ///
    /// What the stream's leader says of its replicas does not tell: a broker that was restarted counts as current when its log of the cluster is. It may
    /// still be fetching messages then. nats-server 2.9 makes such a broker the leader, and the cluster forgets what it had acknowledged.
    public func isEverywhere(_ sequence: UInt64, of stream: String) -> Bool {
        let end = ContinuousClock.now + .milliseconds(500)
        func has(_ broker: Broker) -> Bool { broker.lastSequence(of: stream).map { $0 >= sequence } ?? false }
        while !brokers.allSatisfy(has) {
            guard ContinuousClock.now < end else { return false }
            usleep(5000)
        }
        return true
    }

    /// Makes a stream, once the cluster has a leader. nats-server 2.9 finds none at times when its brokers start on a busy machine; then they start again.
    public func makeStream(_ stream: String, subjects: [String], replicas: Int) throws -> BrokerConnection {
        let connection = try connection()
        var failure = ""
        for _ in 0..<3 {
            let end = ContinuousClock.now + .seconds(40)
            while ContinuousClock.now < end {
                do throws(LogFailure) {
                    try connection.makeStream(stream, subjects: subjects, replicas: replicas)
                    return connection
                } catch {
                    failure = "\(error)"
                }
                usleep(20_000)
            }
            for broker in brokers { broker.kill() }
            for broker in brokers { try broker.start() }
        }
        throw ChildProcess.Failure(description: "in vain: stream \(stream) is made by a cluster of \(brokers.count): \(failure)")
    }
}
