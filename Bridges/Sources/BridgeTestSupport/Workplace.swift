import Foundation
import SharedRing

/// The bound of every wait: it only ends a test that hangs.
public let patience = Duration.seconds(90)

/// A directory of one test, with its rings, its brokers, and the programs that it runs.
public final class Workplace: Sendable {
    public let directory: String

    public init() throws {
        var template = Array("/tmp/bridge.XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw ChildProcess.Failure(description: "mkdtemp: \(String(cString: strerror(errno)))") }
        directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    public var ringOptions: RingOptions {
        var options = RingOptions(capacity: 1 << 18)
        options.directory = directory
        return options
    }

    public func path(_ name: String) -> String { directory + "/" + name }

    /// A program of this package.
    public static func program(_ name: String) -> String {
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        return (own as NSString).deletingLastPathComponent + "/" + name
    }

    public func bridge(_ words: [String], on broker: Broker, bound: Int = 120) throws -> ChildProcess {
        try ChildProcess(
            Self.program("sharedring-nats"), words + ["--server", broker.url, "--dir", directory], log: path("bridge.log"),
            bound: bound)
    }

    public func peer(_ words: [String], bound: Int = 120) throws -> ChildProcess {
        try ChildProcess(Self.program("BridgePeer"), words + ["directory=\(directory)"], log: path("peer.log"), bound: bound)
    }
}

/// Waits until it holds.
public func waitUntil(_ what: String, _ holds: () throws -> Bool) throws {
    let end = ContinuousClock.now + patience
    while try !holds() {
        guard ContinuousClock.now < end else { throw ChildProcess.Failure(description: "in vain: \(what)") }
        usleep(5000)
    }
}
