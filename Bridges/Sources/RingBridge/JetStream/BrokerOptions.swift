internal import CNATS

/// How to reach the broker. Secrets are in files: a command line can be read by every user of the machine.
public struct BrokerOptions: Sendable {
    public var servers = ["nats://127.0.0.1:4222"]
    /// How the connection is named in the broker's lists.
    public var name = "sharedring-nats"
    public var user: String?
    public var passwordFile: String?
    public var tokenFile: String?
    /// A file of a JWT and its seed, as `nsc` makes them.
    public var credentialsFile: String?
    /// A public nkey, and the file of its seed.
    public var nkey: String?
    public var nkeySeedFile: String?
    /// Certificates of authorities, in PEM. Given, the connection is by TLS.
    public var authorityFile: String?
    public var certificateFile: String?
    public var keyFile: String?
    public var usesTLS = false
    /// JetStream's domain, behind a leaf node.
    public var domain: String?
    /// How long to wait for an answer of the broker, in milliseconds.
    public var answerMilliseconds = 5000

    public init() {}

    /// A secret in a server's URL would stand on a command line, or in the list of processes.
    func check() throws(BridgeError) {
        guard !servers.isEmpty else { throw BridgeError(.usage, "no server is given") }
        for server in servers where server.contains("@") {
            throw BridgeError(.usage, "a server's URL has no user and no password here: give --user, and --password-file or --token-file")
        }
        if user != nil, passwordFile == nil { throw BridgeError(.usage, "--user needs --password-file") }
        if passwordFile != nil, user == nil { throw BridgeError(.usage, "--password-file needs --user") }
        if (nkey == nil) != (nkeySeedFile == nil) { throw BridgeError(.usage, "--nkey and --nkey-seed-file belong together") }
        if (certificateFile == nil) != (keyFile == nil) { throw BridgeError(.usage, "--tls-cert and --tls-key belong together") }
    }
}
