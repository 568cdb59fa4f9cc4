import CBench

/// Sends packets through a Unix socket; a batch with `sendmmsg`.
struct PacketSender: MessageSender, ~Copyable {
    private let descriptor: Int32
    private let size: Int
    private let buffer: UnsafeMutableRawBufferPointer

    init(_ descriptor: Int32, _ test: Case, _ side: Side) throws {
        self.descriptor = descriptor
        size = test.size
        buffer = .allocate(byteCount: size * test.batch, alignment: 64)
        buffer.initializeMemory(as: UInt8.self, repeating: 0)
    }

    deinit { buffer.deallocate() }

    mutating func send(_ first: UInt64, count: Int) throws {
        let start = buffer.baseAddress!
        for index in 0..<count { Payload.fill(start + index * size, size, first &+ UInt64(index)) }
        var done = 0
        while done < count {
            done += Int(
                try succeeded(
                    cb_send_packets(descriptor, start + done * size, UInt64(size), Int32(count - done)), "the packet was not sent"))
        }
    }
}

/// Receives packets; a batch with `recvmmsg`, which takes what is there.
struct PacketReceiver: MessageReceiver, ~Copyable {
    private let descriptor: Int32
    private let size: Int
    private let buffer: UnsafeMutableRawBufferPointer

    init(_ descriptor: Int32, _ test: Case, _ side: Side) throws {
        self.descriptor = descriptor
        size = test.size
        buffer = .allocate(byteCount: size * test.batch, alignment: 64)
        buffer.initializeMemory(as: UInt8.self, repeating: 0)
    }

    deinit { buffer.deallocate() }

    mutating func receive(_ first: UInt64, limit: Int) throws -> Int {
        let start = buffer.baseAddress!
        let count = try succeeded(cb_receive_packets(descriptor, start, UInt64(size), Int32(limit)), "no packet was received")
        for index in 0..<Int(count) { try Payload.check(start + index * size, size, first &+ UInt64(index)) }
        return Int(count)
    }
}
