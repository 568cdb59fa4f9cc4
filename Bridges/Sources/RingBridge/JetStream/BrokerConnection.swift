internal import CNATS
import Glibc

/// A connection that is made anew for ever, with growing pauses, and JetStream over it.
public final class BrokerConnection {
    let connection: OpaquePointer
    let jetStream: OpaquePointer
    private let options: BrokerOptions

    /// Begins to connect. Does not wait for it.
    public init(_ options: BrokerOptions) throws(BridgeError) {
        try options.check()
        var made: OpaquePointer?
        try Self.check(natsOptions_Create(&made), "no options")
        let settings = made!
        defer { natsOptions_Destroy(settings) }
        try Self.set(options, into: settings)
        var connection: OpaquePointer?
        let status = natsConnection_Connect(&connection, settings)
        guard let connection, status == NATS_OK || status == NATS_NOT_YET_CONNECTED else {
            throw BridgeError(.broker, "\(options.servers.joined(separator: ",")): \(Self.text(status))")
        }
        var jetStream: OpaquePointer?
        var jetStreamOptions = jsOptions()
        jsOptions_Init(&jetStreamOptions)
        jetStreamOptions.Wait = Int64(options.answerMilliseconds)
        let result = Self.withOptionalCString(options.domain) { domain in
            jetStreamOptions.Domain = domain
            return natsConnection_JetStream(&jetStream, connection, &jetStreamOptions)
        }
        guard result == NATS_OK, let jetStream else {
            natsConnection_Destroy(connection)
            throw BridgeError(.broker, Self.text(result))
        }
        self.connection = connection
        self.jetStream = jetStream
        self.options = options
    }

    deinit {
        jsCtx_Destroy(jetStream)
        natsConnection_Destroy(connection)
    }

    public var isConnected: Bool { natsConnection_Status(connection) == NATS_CONN_STATUS_CONNECTED }

    /// For good: libnats does so when the broker refuses the same credentials twice.
    public var isClosed: Bool { natsConnection_IsClosed(connection) }

    /// Why it is closed for good. A single try tells: many tries leave only that there is no server.
    public var lastError: String {
        var made: OpaquePointer?
        guard natsOptions_Create(&made) == NATS_OK, let settings = made else { return "no memory" }
        defer { natsOptions_Destroy(settings) }
        do throws(BridgeError) {
            try Self.set(options, into: settings)
        } catch {
            return error.description
        }
        natsOptions_SetRetryOnFailedConnect(settings, false, nil, nil)
        natsOptions_SetAllowReconnect(settings, false)
        var connection: OpaquePointer?
        let status = natsConnection_Connect(&connection, settings)
        natsConnection_Destroy(connection)
        return Self.text(status)
    }

    public var reconnects: Int {
        var statistics: OpaquePointer?
        guard natsStatistics_Create(&statistics) == NATS_OK else { return 0 }
        defer { natsStatistics_Destroy(statistics) }
        var reconnects: UInt64 = 0
        guard natsConnection_GetStats(connection, statistics) == NATS_OK,
            natsStatistics_GetCounts(statistics, nil, nil, nil, nil, &reconnects) == NATS_OK
        else { return 0 }
        return Int(clamping: reconnects)
    }

    // MARK: Options

    private static func set(_ options: BrokerOptions, into settings: OpaquePointer) throws(BridgeError) {
        let servers = options.servers.map { strdup($0) }
        defer { servers.forEach { free($0) } }
        var pointers = servers.map { UnsafePointer($0) }
        try check(natsOptions_SetServers(settings, &pointers, Int32(pointers.count)), options.servers.joined(separator: ","))
        try check(natsOptions_SetName(settings, options.name), "name")
        // For ever, with pauses from 50 ms to 5 s: a broker that is absent shows as a full ring.
        try check(natsOptions_SetAllowReconnect(settings, true), "reconnect")
        try check(natsOptions_SetMaxReconnect(settings, -1), "reconnect")
        let delay: natsCustomReconnectDelayHandler = { _, attempts, _ in min(5000, 50 << Int64(min(max(attempts - 1, 0), 8))) }
        try check(natsOptions_SetCustomReconnectDelay(settings, delay, nil), "reconnect delay")
        let connected: natsConnectionHandler = { _, _ in }
        try check(natsOptions_SetRetryOnFailedConnect(settings, true, connected, nil), "retry")
        try check(natsOptions_SetTimeout(settings, 2000), "timeout")
        // What is appended while there is no broker is bounded by this, and by the window.
        try check(natsOptions_SetReconnectBufSize(settings, 1 << 16), "buffer")
        try check(natsOptions_SetWriteDeadline(settings, 5000), "write deadline")
        try check(natsOptions_SetPingInterval(settings, 5000), "ping interval")
        try check(natsOptions_SetMaxPingsOut(settings, 2), "pings")
        let silent: natsErrHandler = { _, _, _, _ in }  // receipts and states say what happened; the default prints
        try check(natsOptions_SetErrorHandler(settings, silent, nil), "error handler")
        if let user = options.user {
            try check(natsOptions_SetUserInfo(settings, user, try secret(options.passwordFile ?? "")), "user")
        }
        if let file = options.tokenFile { try check(natsOptions_SetToken(settings, try secret(file)), "token") }
        if let file = options.credentialsFile { try check(natsOptions_SetUserCredentialsFromFiles(settings, file, nil), file) }
        if let key = options.nkey { try check(natsOptions_SetNKeyFromSeed(settings, key, options.nkeySeedFile), "nkey") }
        if options.usesTLS || options.authorityFile != nil || options.certificateFile != nil {
            try check(natsOptions_SetSecure(settings, true), "TLS")
        }
        if let file = options.authorityFile { try check(natsOptions_LoadCATrustedCertificates(settings, file), file) }
        if let file = options.certificateFile {
            try check(natsOptions_LoadCertificatesChain(settings, file, options.keyFile), file)
        }
    }

    /// The first line of a file.
    private static func secret(_ path: String) throws(BridgeError) -> String {
        guard let file = fopen(path, "r") else { throw BridgeError(.system, "\(path): \(String(cString: strerror(errno)))") }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 4096)
        guard fgets(&line, Int32(line.count), file) != nil else { throw BridgeError(.usage, "\(path) is empty") }
        let bytes = line.prefix { $0 != 0 && $0 != 10 && $0 != 13 }.map { UInt8(bitPattern: $0) }
        guard !bytes.isEmpty else { throw BridgeError(.usage, "\(path): its first line is empty") }
        return String(decoding: bytes, as: UTF8.self)
    }

    static func withOptionalCString<Result>(_ text: String?, _ body: (UnsafePointer<CChar>?) -> Result) -> Result {
        guard let text else { return body(nil) }
        return text.withCString(body)
    }

    static func text(_ status: natsStatus) -> String { String(cString: natsStatus_GetText(status)) }

    static func check(_ status: natsStatus, _ what: String) throws(BridgeError) {
        guard status == NATS_OK else { throw BridgeError(.broker, "\(what): \(text(status))") }
    }

    /// Which failures pass by themselves.
    static func failure(_ status: natsStatus, _ code: jsErrCode, _ what: String) -> LogFailure {
        let text = code.rawValue == 0 ? "\(what): \(text(status))" : "\(what): JetStream error \(code.rawValue) (\(text(status)))"
        switch status {
        case NATS_TIMEOUT, NATS_NO_RESPONDERS, NATS_CONNECTION_DISCONNECTED, NATS_NO_SERVER, NATS_IO_ERROR, NATS_STALE_CONNECTION,
            NATS_NOT_YET_CONNECTED, NATS_INSUFFICIENT_BUFFER:
            return .unavailable(text)
        default: break
        }
        switch code.rawValue {
        // The cluster has no leader, is not current, has no resources: 10005, 10008, 10009, 10023, 10037, 10047, 10053, 10077, 10108, 10118.
        case 10005, 10008, 10009, 10023, 10037, 10047, 10053, 10077, 10108, 10118: return .unavailable(text)
        default: return .refused(text)
        }
    }
}
