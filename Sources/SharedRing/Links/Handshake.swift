import CSharedRing

/// The packets by which a connected socket becomes a link. See `sr_link_packet`.
struct Handshake: ~Copyable {
    private let socket: LinkSocket
    private let options: LinkOptions
    private let deadline: Deadline

    init(_ socket: LinkSocket, _ options: LinkOptions) {
        self.socket = socket
        self.options = options
        deadline = Deadline(after: options.handshakeTimeout)
    }

    private enum Refusal: UInt32 {
        case user = 1
        case version = 2
        case packet = 3
        case system = 4
    }

    private func packet(_ kind: Int32, reason: Refusal? = nil) -> sr_link_packet {
        var packet = sr_link_packet()
        packet.magic = UInt64(SR_LINK_MAGIC)
        packet.kind = UInt32(kind)
        packet.oldest = UInt16(SR_LINK_VERSION)
        packet.newest = UInt16(SR_LINK_VERSION)
        packet.reason = reason?.rawValue ?? 0
        return packet
    }

    /// Both rings' options: for peers of other users the memory must be theirs to open.
    private var ringOptions: RingOptions {
        var ring = options.ring
        ring.allowedOwners = options.allowedUsers
        if case .sameUser = options.allowedUsers { return ring }
        ring.permissions = 0o666
        return ring
    }

    private func allowedPeer(_ whose: StaticString) throws(RingError) -> LinkPeer {
        let peer = try socket.peer
        let user = User(peer.userID)
        let isAllowed = if case .sameUser = options.allowedUsers { user.isOneself } else { options.allowedUsers.admits(user) }
        guard isAllowed else {
            throw RingError(.wrongOwner, ring: socket.path, "its \(whose) runs as \(user), who is not allowed")
        }
        return peer
    }

    private func unexpected(_ packet: sr_link_packet, _ count: Int, _ what: StaticString) -> RingError {
        RingError(
            .handshakeFailed, ring: socket.path, "a packet of kind \(packet.kind) with \(count) descriptors came where \(what) was expected"
        )
    }

    // MARK: The listener's side

    consuming func asListener() throws(RingError) -> Link {
        let peer: LinkPeer
        do throws(RingError) {
            peer = try allowedPeer("client")
        } catch {
            refuse(.user)
            throw error
        }
        do throws(RingError) {
            try receiveHello()
        } catch {
            if error.code == .handshakeFailed { refuse(.packet) }
            if error.code == .incompatible { refuse(.version) }
            throw error
        }
        let (receiving, sending): (SPSCRing, SPSCRing)
        do throws(RingError) {
            receiving = try SPSCRing.anonymous(options: ringOptions)
            sending = try SPSCRing.anonymous(options: ringOptions)
        } catch {
            refuse(.system)
            throw error
        }
        let consumer = try receiving.makeConsumer(acknowledgement: options.acknowledgement, waiting: options.waiting, slice: options.slice)
        let producer = try sending.makeProducer(waiting: options.waiting, slice: options.slice)
        let descriptors = [Descriptor(try receiving.duplicateDescriptor()), Descriptor(try sending.duplicateDescriptor())]
        try socket.send(packet(SR_LINK_WELCOME), descriptors: descriptors, until: deadline)
        let (answer, others) = try socket.receive(until: deadline)
        guard answer.kind == UInt32(SR_LINK_ATTACHED), others.isEmpty else {
            throw unexpected(answer, others.count, "the news that it has attached")
        }
        try socket.watch(producer.side, consumer.side)
        return Link(producer: producer, consumer: consumer, peer: peer)
    }

    private func receiveHello() throws(RingError) {
        let (hello, descriptors) = try socket.receive(until: deadline)
        guard hello.kind == UInt32(SR_LINK_HELLO), descriptors.isEmpty else { throw unexpected(hello, descriptors.count, "a hello") }
        guard hello.oldest <= UInt16(SR_LINK_VERSION), hello.newest >= UInt16(SR_LINK_VERSION) else {
            throw RingError(
                .incompatible, ring: socket.path,
                "its client speaks versions \(hello.oldest) to \(hello.newest) of the handshake, this listener \(SR_LINK_VERSION)")
        }
    }

    /// So that it need not guess. Whether this arrives does not matter.
    private func refuse(_ reason: Refusal) {
        try? socket.send(packet(SR_LINK_REFUSAL, reason: reason), until: deadline)
    }

    // MARK: The client's side

    consuming func asClient() throws(RingError) -> Link {
        let peer = try allowedPeer("listener")
        do throws(RingError) {
            try socket.send(packet(SR_LINK_HELLO), until: deadline)
        } catch {
            // Refused before it was read: why stands in the socket.
            guard error.code == .peerDied else { throw error }
        }
        let (welcome, descriptors) = try socket.receive(until: deadline)
        if welcome.kind == UInt32(SR_LINK_REFUSAL) { throw refused(welcome) }
        guard welcome.kind == UInt32(SR_LINK_WELCOME), descriptors.count == 2 else {
            throw unexpected(welcome, descriptors.count, "a welcome with two")
        }
        guard welcome.newest == UInt16(SR_LINK_VERSION) else {
            throw RingError(
                .incompatible, ring: socket.path,
                "its listener chose version \(welcome.newest) of the handshake, this client speaks \(SR_LINK_VERSION)")
        }
        let (sending, receiving) = try rings(descriptors)
        let producer = try sending.makeProducer(waiting: options.waiting, slice: options.slice)
        let consumer = try receiving.makeConsumer(acknowledgement: options.acknowledgement, waiting: options.waiting, slice: options.slice)
        try socket.send(packet(SR_LINK_ATTACHED), until: deadline)
        try socket.watch(producer.side, consumer.side)
        return Link(producer: producer, consumer: consumer, peer: peer)
    }

    /// The rings that came with the welcome. Each handle keeps a duplicate of its descriptor.
    private func rings(_ descriptors: [Descriptor]) throws(RingError) -> (SPSCRing, SPSCRing) {
        // An array is released after its last use, and with it the descriptors whose numbers were read out of it.
        defer { withExtendedLifetime(descriptors) {} }
        let sending = try SPSCRing.open(descriptor: descriptors[0].number, options: ringOptions)
        let receiving = try SPSCRing.open(descriptor: descriptors[1].number, options: ringOptions)
        return (sending, receiving)
    }

    private func refused(_ packet: sr_link_packet) -> RingError {
        switch Refusal(rawValue: packet.reason) {
        case .user:
            RingError(.wrongOwner, ring: socket.path, "its listener does not serve user \(sr_effective_user())")
        case .version:
            RingError(
                .incompatible, ring: socket.path,
                "its listener speaks versions \(packet.oldest) to \(packet.newest) of the handshake, this client \(SR_LINK_VERSION)")
        case .packet: RingError(.handshakeFailed, ring: socket.path, "its listener did not understand the hello")
        case .system, nil: RingError(.system, ring: socket.path, "its listener could not make the rings (reason \(packet.reason))")
        }
    }
}
