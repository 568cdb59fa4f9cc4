import CBench

extension Case {
    func openQueue() throws -> (Int32, Int32) {
        let queue = try succeeded(cb_queue(UInt64(size)), "no message queue for messages of \(size) bytes")
        return try twice(queue)
    }
}

/// A POSIX message queue has no call for several messages.
struct QueueSender: MessageSender, ~Copyable {
    private let buffer: MessageBuffer

    init(_ descriptor: Int32, _ test: Case, _ side: Side) throws { buffer = MessageBuffer(descriptor, test) }

    mutating func send(_ first: UInt64, count: Int) throws {
        buffer.fill(first, count: 1)
        try succeeded(cb_queue_send(buffer.descriptor, buffer.start, UInt64(buffer.size)), "mq_send failed")
    }
}

struct QueueReceiver: MessageReceiver, ~Copyable {
    private let buffer: MessageBuffer

    init(_ descriptor: Int32, _ test: Case, _ side: Side) throws { buffer = MessageBuffer(descriptor, test) }

    mutating func receive(_ first: UInt64, limit: Int) throws -> Int {
        let size = try succeeded(cb_queue_receive(buffer.descriptor, buffer.start, UInt64(buffer.size)), "mq_receive failed")
        guard size == buffer.size else { throw Failure("message \(first) arrived with \(size) bytes") }
        try buffer.check(first, count: 1)
        return 1
    }
}
