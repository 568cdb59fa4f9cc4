import CSharedRing

/// The listener's side of one handshake: a state between two packets. Used by the reception's thread alone; none of its steps waits.
///
/// - Silent: connected, and said nothing yet. It costs a descriptor.
/// - Served: it has said hello, and has the descriptor of a call service. There is no more to it.
/// - Welcomed: it has said hello, and has the rings' descriptors. This side holds its roles.
final class ListenerHandshake {
    let socket: LinkSocket
    let deadline: Deadline
    let begun = sr_now_ns()
    private let options: LinkOptions
    /// What is handed out instead of links.
    private let service: Descriptor?
    private(set) var isServed = false
    private let peer: LinkPeer
    private var producer: Producer?
    private var consumer: Consumer?

    /// Throws `wrongOwner` for a user that is not allowed.
    init(_ socket: LinkSocket, _ options: LinkOptions, service: Descriptor?) throws(RingError) {
        self.socket = socket
        self.options = options
        self.service = service
        deadline = Deadline(after: options.handshakeTimeout)
        do throws(RingError) {
            peer = try options.allowedPeer(of: socket, "client")
        } catch {
            Self.refuse(socket, .user)
            throw error
        }
    }

    var isSilent: Bool { producer == nil }

    /// Takes the packet that has come, if it has. The link, once the client has attached.
    func proceed() throws(RingError) -> OwnedLink? {
        guard isSilent else { return try finish() }
        do throws(RingError) {
            guard try receiveHello() else { return nil }
        } catch {
            if error.code == .handshakeFailed { Self.refuse(socket, .packet) }
            if error.code == .incompatible { Self.refuse(socket, .version) }
            throw error
        }
        if let service {
            try socket.send(LinkPacket.make(SR_LINK_SERVICE), descriptors: [service], until: deadline)
            isServed = true
            return nil
        }
        do throws(RingError) {
            try welcome()
        } catch {
            if error.code != .peerDied { Self.refuse(socket, .system) }
            throw error
        }
        return nil
    }

    /// False: nothing has come.
    private func receiveHello() throws(RingError) -> Bool {
        guard let (hello, descriptors) = try socket.receive(until: .passed) else { return false }
        guard hello.kind == UInt32(SR_LINK_HELLO), descriptors.isEmpty else {
            throw LinkPacket.unexpected(hello, descriptors.count, at: socket.path, "a hello")
        }
        guard hello.oldest <= UInt16(SR_LINK_VERSION), hello.newest >= UInt16(SR_LINK_VERSION) else {
            throw RingError(
                .incompatible, link: socket.path,
                "its client speaks versions \(hello.oldest) to \(hello.newest) of the handshake, this listener \(SR_LINK_VERSION)")
        }
        return true
    }

    /// Makes the rings, takes this side's roles, and hands the descriptors over.
    private func welcome() throws(RingError) {
        let receiving = try SPSCRing.anonymous(options: options.ringOptions)
        let sending = try SPSCRing.anonymous(options: options.ringOptions)
        consumer = try receiving.makeConsumer(
            acknowledgement: options.acknowledgement, waiting: options.waiting, options: options.endpoints)
        producer = try sending.makeProducer(waiting: options.waiting, options: options.endpoints)
        let descriptors = [receiving, sending].compactMap(\.ownedDescriptor)
        try socket.send(LinkPacket.make(SR_LINK_WELCOME), descriptors: descriptors, until: deadline)
    }

    private func finish() throws(RingError) -> OwnedLink? {
        guard let (answer, descriptors) = try socket.receive(until: .passed) else { return nil }
        guard answer.kind == UInt32(SR_LINK_ATTACHED), descriptors.isEmpty else {
            throw LinkPacket.unexpected(answer, descriptors.count, at: socket.path, "the news that it has attached")
        }
        guard let producer = producer.take(), let consumer = consumer.take() else { return nil }
        try socket.watch(producer.core, consumer.core)
        return OwnedLink(Link(producer: producer, consumer: consumer, peer: peer))
    }

    /// So that the client need not guess. Whether this arrives does not matter.
    private static func refuse(_ socket: LinkSocket, _ reason: LinkPacket.Refusal) {
        try? socket.send(LinkPacket.make(SR_LINK_REFUSAL, reason: reason), until: .passed)
    }
}

/// A link on its way from one thread to another.
final class OwnedLink: @unchecked Sendable {
    private var link: Link?

    init(_ link: consuming Link) { self.link = consume link }

    /// Once.
    func take() -> Link { link.take()! }
}
