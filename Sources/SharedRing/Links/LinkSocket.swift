import CSharedRing

/// A connected socket of a link: its handshake goes through it, and its hang-up is the notice of the other side's death.
final class LinkSocket: @unchecked Sendable {
    let path: FileName
    let descriptor: Descriptor
    private let generation = sr_fork_generation()
    /// Those whose waits are to end at a hang-up. Set once, before they are watched.
    private(set) weak var producer: ProducerCore?
    private(set) weak var consumer: ConsumerCore?
    private var hangups: Hangups?

    init(_ descriptor: Descriptor, path: FileName) {
        self.descriptor = descriptor
        self.path = path
    }

    deinit {
        guard sr_fork_generation() == generation else { return }  // the parent's connection is not ours to end
        hangups?.forget(self)
        _ = descriptor.withNumber { sr_socket_shut($0) }
    }

    /// Throws `invalidName` for what can't be a socket's path.
    static func check(_ path: FileName) throws(RingError) {
        func refuse(_ why: String) -> RingError { RingError(.invalidName, link: path, why) }
        let count = path.bytes.count
        guard count > 0, !path.bytes.contains(0) else { throw refuse("a path must not be empty or contain a NUL byte") }
        guard count <= 107 else { throw refuse("a socket's path has at most 107 bytes, this one has \(count)") }
    }

    /// Connects to what listens at the path, or will until the deadline. Blocks.
    static func connect(path: FileName, until deadline: Deadline) throws(RingError) -> LinkSocket {
        try check(path)
        while true {
            if let socket = try attempt(path, until: deadline) { return socket }
            sr_sleep_ns(5_000_000)
        }
    }

    /// The same, and holds no thread meanwhile.
    static func connect(path: FileName, until deadline: Deadline) async throws(RingError) -> LinkSocket {
        try check(path)
        var pause = Pause()
        while true {
            if let socket = try attempt(path, until: deadline) { return socket }
            try await pause.wait(for: path)
        }
    }

    /// One attempt, which does not wait. Nil: it may work later.
    private static func attempt(_ path: FileName, until deadline: Deadline) throws(RingError) -> LinkSocket? {
        // SAFETY: the string lives for the length of the call.
        let result = unsafe path.withCString { unsafe sr_socket_connect($0, 0) }
        if result >= 0 { return LinkSocket(Descriptor(result), path: path) }
        switch result {
        case -SystemFailure.notFound, -SystemFailure.connectionRefused:
            guard deadline.isPassed(at: sr_now_ns()) else { return nil }
            throw RingError(.notFound, link: path, errno: -result, "no process listens there")
        case -SystemFailure.timedOut:
            guard deadline.isPassed(at: sr_now_ns()) else { return nil }
            throw RingError(.timedOut, link: path, "its listener's queue was full until the deadline")
        default: throw RingError(.system, link: path, errno: -result, "it can't be connected to")
        }
    }

    /// A task's pause between two looks: at first short, as most answers come at once, then 5 ms.
    struct Pause {
        private var microseconds = 100

        mutating func wait(for path: FileName) async throws(RingError) {
            do {
                try await Task.sleep(for: .microseconds(microseconds))
            } catch {
                throw RingError(.cancelled, link: path, "the task that connected was cancelled")
            }
            microseconds = min(5_000, microseconds * 2)
        }
    }

    var peer: LinkPeer {
        get throws(RingError) {
            var peer = sr_socket_peer()
            // SAFETY: `peer` lives for the length of the call.
            let result = descriptor.withNumber { unsafe sr_socket_peer_of($0, &peer) }
            guard result == 0 else { throw RingError(.system, link: path, errno: -result, "the user at its other end can't be found out") }
            return LinkPeer(processID: peer.process, userID: peer.user)
        }
    }

    // MARK: Packets

    func send(_ packet: sr_link_packet, descriptors: [Descriptor] = [], until deadline: Deadline) throws(RingError) {
        let result = descriptors.withNumbers { numbers in
            descriptor.withNumber { socket in
                // SAFETY: the packet's own bytes, and the array's, for the length of the call. Any address will do for no descriptor.
                unsafe withUnsafeBytes(of: packet) { bytes in
                    unsafe (numbers + [-1]).withUnsafeBufferPointer { list in
                        unsafe sr_socket_send(
                            socket, bytes.baseAddress!, UInt32(bytes.count), list.baseAddress!, UInt32(numbers.count),
                            deadline.nanoseconds)
                    }
                }
            }
        }
        guard result == 0 else { throw failure(result, "it can't be written to") }
    }

    /// The next packet, and the descriptors that came with it; nil: none came before the deadline. What is no packet of a link is
    /// `handshakeFailed`.
    func receive(until deadline: Deadline) throws(RingError) -> (sr_link_packet, [Descriptor])? {
        var packet = sr_link_packet()
        var numbers: [Int32] = [-1, -1]
        var count: UInt32 = 0
        // SAFETY: all three live for the length of the call, with the sizes that it is given.
        let size = unsafe withUnsafeMutableBytes(of: &packet) { bytes in
            unsafe numbers.withUnsafeMutableBufferPointer { list in
                descriptor.withNumber {
                    unsafe sr_socket_receive(
                        $0, bytes.baseAddress!, UInt32(bytes.count), list.baseAddress!, &count, deadline.nanoseconds)
                }
            }
        }
        let descriptors = numbers.prefix(Int(count)).map { Descriptor($0) }
        if size == -SystemFailure.timedOut { return nil }
        guard size > 0 else {
            throw size == 0
                ? RingError(.peerDied, link: path, "the other side hung up during the handshake") : failure(size, "it can't be read")
        }
        let expected = Int32(MemoryLayout<sr_link_packet>.size)
        guard size == expected else {
            throw RingError(.handshakeFailed, link: path, "a packet of \(counted(size, "byte")) came where one of \(expected) was expected")
        }
        guard packet.magic == UInt64(SR_LINK_MAGIC) else {
            throw RingError(
                .handshakeFailed, link: path,
                "a packet that begins with 0x\(String(packet.magic, radix: 16)) came, which is none of a link's")
        }
        return (packet, descriptors)
    }

    /// The other side took too long.
    var silence: RingError { RingError(.handshakeFailed, link: path, "the other side said nothing before the deadline") }

    private func failure(_ result: Int32, _ what: String) -> RingError {
        switch result {
        case -SystemFailure.timedOut: silence
        case -SystemFailure.noDescriptor:
            RingError(.system, link: path, errno: -result, "this process has no free descriptor for those that the other side sent")
        case -SystemFailure.brokenPipe, -SystemFailure.connectionReset:
            RingError(.peerDied, link: path, errno: -result, "the other side hung up during the handshake")
        case -SystemFailure.badMessage: RingError(.handshakeFailed, link: path, "more descriptors came than a link has")
        default: RingError(.system, link: path, errno: -result, what)
        }
    }

    // MARK: The hang-up

    /// From now on a hang-up ends these endpoints' waits. They keep this socket open.
    func watch(_ producer: ProducerCore, _ consumer: ConsumerCore) throws(RingError) {
        self.producer = producer
        self.consumer = consumer
        producer.attachment.companion = self
        consumer.attachment.companion = self
        let hangups = Hangups.current
        do throws(SystemFailure) {
            try hangups.watch(self)
            self.hangups = hangups
        } catch {
            throw RingError(.system, link: path, errno: error.errno, "its hang-up can't be watched for")
        }
    }

    /// Has both endpoints check on their peer, if the other side's roles are free. The role bytes are the proof of a death; the kernel
    /// may close the socket a moment before it frees them. True: both were woken, or are gone.
    func wakeEndpoints() -> Bool {
        var isDone = true
        let (producer, consumer) = (self.producer, self.consumer)
        // Their doorbells are used after their last use.
        defer { withExtendedLifetime((producer, consumer)) {} }
        // SAFETY: the doorbells lie in the control mappings of attachments at hand.
        if let producer {
            if producer.isPeerAttached {
                isDone = false
            } else {
                producer.cancelFlag.noteHangUp()
                unsafe Doorbell.wake(producer.watch.doorbell)
            }
        }
        if let consumer {
            if consumer.isProducerAttached {
                isDone = false
            } else {
                consumer.role.cancelFlag.noteHangUp()
                unsafe Doorbell.wake(consumer.watch.doorbell)
            }
        }
        return isDone
    }
}
