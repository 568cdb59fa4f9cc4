import CBench

/// Sends packets through a Unix socket; a batch with `sendmmsg`.
struct PacketSender: MessageSender, ~Copyable {
    private let buffer: MessageBuffer

    init(_ descriptor: Int32, _ test: Case, _ side: Side) throws { buffer = MessageBuffer(descriptor, test) }

    mutating func send(_ first: UInt64, count: Int) throws {
        buffer.fill(first, count: count)
        var done = 0
        while done < count {
            let sent = cb_send_packets(buffer.descriptor, buffer.start + done * buffer.size, UInt64(buffer.size), Int32(count - done))
            done += Int(try succeeded(sent, "the packet was not sent"))
        }
    }
}

/// Receives packets; a batch with `recvmmsg`, which takes what is there.
struct PacketReceiver: MessageReceiver, ~Copyable {
    private let buffer: MessageBuffer

    init(_ descriptor: Int32, _ test: Case, _ side: Side) throws { buffer = MessageBuffer(descriptor, test) }

    mutating func receive(_ first: UInt64, limit: Int) throws -> Int {
        let received = cb_receive_packets(buffer.descriptor, buffer.start, UInt64(buffer.size), Int32(limit))
        let count = Int(try succeeded(received, "no packet was received"))
        try buffer.check(first, count: count)
        return count
    }
}
