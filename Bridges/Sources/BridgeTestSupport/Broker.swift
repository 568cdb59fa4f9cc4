import Foundation
import RingBridge

/// A broker on the loopback. It is killed with its last reference.
public final class Broker {
    public let port: Int
    /// Where it says over HTTP what it has itself.
    let monitorPort: Int
    private let workplace: Workplace
    public let name: String
    private let settings: String
    public private(set) var process: ChildProcess?

    public var url: String { "nats://127.0.0.1:\(port)" }

    /// The seconds after which a broker is killed that its owner left behind: longer than every test and every long form.
    private static let bound = 6 * 3600

    public static var isInstalled: Bool {
        (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").contains { access("\($0)/nats-server", X_OK) == 0 }
    }

    /// - Parameter settings: lines of its configuration.
    public init(_ workplace: Workplace, name: String = "broker", port: Int? = nil, settings: String = "", starts: Bool = true) throws {
        self.workplace = workplace
        self.name = name
        self.port = try port ?? Self.freePort()
        monitorPort = try Self.freePort()
        self.settings = settings
        if starts { try start() }
    }

    /// Before the reference to the workplace goes, which may be the last: its directory is removed when nothing writes into it any more.
    deinit { kill() }

    public func start() throws {
        let file = workplace.path("\(name).conf")
        let text = """
            listen: "127.0.0.1:\(port)"
            http: "127.0.0.1:\(monitorPort)"
            server_name: "\(name)"
            jetstream { store_dir: "\(workplace.path(name))", max_mem: 64MB, max_file: 4GB }
            \(settings)

            """
        try text.write(toFile: file, atomically: true, encoding: .utf8)
        process = try ChildProcess("nats-server", ["-c", file], log: workplace.path("\(name).log"), bound: Self.bound)
    }

    /// Ends it as a power cut of its process would.
    public func kill() {
        process?.send(SIGKILL)
        process?.end()
        process = nil
    }

    public func send(_ signal: Int32) { process?.send(signal) }

    /// A port that is free now. The kernel gives none of these to an outgoing connection, which would hold it when a broker comes back to its own.
    public static func freePort() throws -> Int {
        for _ in 0..<100 {
            let port = Int.random(in: 10_000..<32_000)
            let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            defer { close(socket) }
            var address = loopback(port)
            let isBound = withUnsafeMutablePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0 }
            }
            if isBound { return port }
        }
        throw ChildProcess.Failure(description: "no free port")
    }

    static func loopback(_ port: Int) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        return address
    }

    /// A connection of the test itself.
    public func connection() throws -> BrokerConnection {
        var options = BrokerOptions()
        options.servers = [url]
        options.name = "test"
        options.answerMilliseconds = 60_000  // it answers, however busy the machine is
        return try BrokerConnection(options)
    }

    /// Makes a stream, once the broker is there.
    @discardableResult
    public func makeStream(
        _ stream: String, subjects: [String], replicas: Int = 1, duplicateMilliseconds: Int? = nil
    ) throws -> BrokerConnection {
        let connection = try connection()
        try waitUntil("stream \(stream) is made") {
            do throws(LogFailure) {
                try connection.makeStream(stream, subjects: subjects, replicas: replicas, duplicateMilliseconds: duplicateMilliseconds)
                return true
            } catch {
                guard case .unavailable = error else { throw error }
                return false
            }
        }
        return connection
    }
}
