import CSharedRing

/// The client's side of a handshake. None of its steps waits; the caller waits for the listener's answer in between.
struct ClientHandshake {
    private let socket: LinkSocket
    private let options: LinkOptions
    private let peer: LinkPeer
    private let deadline: Deadline

    /// Says hello.
    init(_ socket: LinkSocket, _ options: LinkOptions) throws(RingError) {
        self.socket = socket
        self.options = options
        deadline = Deadline(after: options.handshakeTimeout)
        peer = try options.allowedPeer(of: socket, "listener")
        do throws(RingError) {
            try socket.send(LinkPacket.make(SR_LINK_HELLO), until: deadline)
        } catch {
            // Refused before it was read: why stands in the socket.
            guard error.code == .peerDied else { throw error }
        }
    }

    /// The link, once the listener has answered. Blocks until then.
    func finished() throws(RingError) -> Link {
        guard let (answer, descriptors) = try socket.receive(until: deadline) else { throw socket.silence }
        return try attach(answer, descriptors)
    }

    /// The link, once the listener has answered. Looks for the answer now and then, and holds no thread in between.
    func finished() async throws(RingError) -> Link {
        var pause = LinkSocket.Pause()
        while true {
            if let (answer, descriptors) = try socket.receive(until: .passed) { return try attach(answer, descriptors) }
            if deadline.isPassed(at: sr_now_ns()) { throw socket.silence }
            try await pause.wait(for: socket.path)
        }
    }

    /// The service that the listener hands out. Blocks until it has answered.
    func finishedService() throws(RingError) -> CallService {
        guard let (answer, descriptors) = try socket.receive(until: deadline) else { throw socket.silence }
        return try open(answer, descriptors)
    }

    /// The same without holding a thread.
    func finishedService() async throws(RingError) -> CallService {
        var pause = LinkSocket.Pause()
        while true {
            if let (answer, descriptors) = try socket.receive(until: .passed) { return try open(answer, descriptors) }
            if deadline.isPassed(at: sr_now_ns()) { throw socket.silence }
            try await pause.wait(for: socket.path)
        }
    }

    private func open(_ answer: sr_link_packet, _ descriptors: [Descriptor]) throws(RingError) -> CallService {
        if answer.kind == UInt32(SR_LINK_REFUSAL) { throw refused(answer) }
        if answer.kind == UInt32(SR_LINK_WELCOME) {
            throw RingError(.incompatible, link: socket.path, "its listener hands out links, and no call service")
        }
        guard answer.kind == UInt32(SR_LINK_SERVICE), descriptors.count == 1 else {
            throw LinkPacket.unexpected(answer, descriptors.count, at: socket.path, "a service with one")
        }
        return CallService(
            try onCalls { () throws(RingError) in
                try CallHandle.open(owned: descriptors[0], called: socket.path.description, options: options.ringOptions)
            })
    }

    private func attach(_ welcome: sr_link_packet, _ descriptors: [Descriptor]) throws(RingError) -> Link {
        if welcome.kind == UInt32(SR_LINK_REFUSAL) { throw refused(welcome) }
        if welcome.kind == UInt32(SR_LINK_SERVICE) {
            throw RingError(.incompatible, link: socket.path, "its listener hands out a call service, and no links")
        }
        guard welcome.kind == UInt32(SR_LINK_WELCOME), descriptors.count == 2 else {
            throw LinkPacket.unexpected(welcome, descriptors.count, at: socket.path, "a welcome with two")
        }
        guard welcome.newest == UInt16(SR_LINK_VERSION) else {
            throw RingError(
                .incompatible, link: socket.path,
                "its listener chose version \(welcome.newest) of the handshake, this client speaks \(SR_LINK_VERSION)")
        }
        let producer = try SPSCRing.open(owned: descriptors[0], called: socket.path.description, options: options.ringOptions)
            .makeProducer(waiting: options.waiting, options: options.endpoints)
        let consumer = try SPSCRing.open(owned: descriptors[1], called: socket.path.description, options: options.ringOptions)
            .makeConsumer(acknowledgement: options.acknowledgement, waiting: options.waiting, options: options.endpoints)
        try socket.send(LinkPacket.make(SR_LINK_ATTACHED), until: deadline)
        try socket.watch(producer.core, consumer.core)
        return Link(producer: producer, consumer: consumer, peer: peer)
    }

    private func refused(_ packet: sr_link_packet) -> RingError {
        switch LinkPacket.Refusal(rawValue: packet.reason) {
        case .user:
            RingError(.wrongOwner, link: socket.path, "its listener does not serve user \(sr_effective_user())")
        case .version:
            RingError(
                .incompatible, link: socket.path,
                "its listener speaks versions \(packet.oldest) to \(packet.newest) of the handshake, this client \(SR_LINK_VERSION)")
        case .packet: RingError(.handshakeFailed, link: socket.path, "its listener did not understand the hello")
        case .system, nil: RingError(.system, link: socket.path, "its listener could not make the rings (reason \(packet.reason))")
        }
    }
}
