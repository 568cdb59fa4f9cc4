import CBench

extension Case {
    func openQueue() throws -> (Int32, Int32) {
        let queue = try succeeded(cb_queue(UInt64(size)), "no message queue for messages of \(size) bytes")
        return try twice(queue)
    }
}

/// A POSIX message queue has no call for several messages.
struct QueueSender: MessageSender, ~Copyable {
    private let queue: Int32
    private let buffer: UnsafeMutableRawBufferPointer

    init(_ descriptor: Int32, _ test: Case, _ side: Side) throws {
        queue = descriptor
        buffer = .allocate(byteCount: test.size, alignment: 64)
    }

    deinit { buffer.deallocate() }

    mutating func send(_ first: UInt64, count: Int) throws {
        Payload.fill(buffer.baseAddress!, buffer.count, first)
        try succeeded(cb_queue_send(queue, buffer.baseAddress!, UInt64(buffer.count)), "mq_send failed")
    }
}

struct QueueReceiver: MessageReceiver, ~Copyable {
    private let queue: Int32
    private let buffer: UnsafeMutableRawBufferPointer

    init(_ descriptor: Int32, _ test: Case, _ side: Side) throws {
        queue = descriptor
        buffer = .allocate(byteCount: test.size, alignment: 64)
        buffer.initializeMemory(as: UInt8.self, repeating: 0)
    }

    deinit { buffer.deallocate() }

    mutating func receive(_ first: UInt64, limit: Int) throws -> Int {
        let size = try succeeded(cb_queue_receive(queue, buffer.baseAddress!, UInt64(buffer.count)), "mq_receive failed")
        guard size == buffer.count else { throw Failure("message \(first) arrived with \(size) bytes") }
        try Payload.check(buffer.baseAddress!, buffer.count, first)
        return 1
    }
}
