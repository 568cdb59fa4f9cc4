/// How links are made, and with which users.
public struct LinkOptions: Sendable {
    /// The two rings' options; the listener's count. Those about names and files mean nothing here.
    public var ring = RingOptions()
    /// The users that may be at the other end, by the effective user id that the kernel noted when it connected or listened.
    public var allowedUsers = RingOptions.Owners.sameUser
    /// The listening socket's file mode: which users can connect at all.
    public var permissions: UInt32 = 0o600
    /// How long the other side may take to say what it has to, before it is given up.
    public var handshakeTimeout = Duration.seconds(1)
    /// How this side's endpoints wait.
    public var waiting = WaitStrategy.adaptive
    /// How this side's endpoints use their rings. A death is noticed at once by the socket's hang-up; the check interval is for the rest.
    public var endpoints = EndpointOptions()
    /// When this side's consumer acknowledges messages.
    public var acknowledgement = Acknowledgement.automatic

    /// The defaults.
    public init() {}
}
