import SharedRing

extension Case {
    func openCalls() throws -> (Int32, Int32) {
        let service = try CallService.anonymous(
            shape: CallService.Shape(clients: 1, servers: 1, requestCapacity: size, replyCapacity: size))
        return (try service.duplicateDescriptor(), try service.duplicateDescriptor())
    }
}

/// A call is one step for its caller, so the parent's sender makes it and waits for the reply. The peer answers when it receives.
struct CallSender: MessageSender, ~Copyable {
    private let client: CallClient?
    private let size: Int

    init(_ descriptor: Int32, _ test: Case, _ side: Side) throws {
        size = test.size
        client =
            side == .parent
            ? try CallService.open(descriptor: descriptor).makeClient(slots: 1, waiting: test.wait, options: .measured) : nil
    }

    mutating func send(_ first: UInt64, count: Int) throws {
        // The receiver's `receive` has nothing to do then.
        if client == nil { return }
        let size = size
        let reply = try client!.call(byteCount: size) { bytes in
            bytes.withUnsafeMutableBytes { Payload.fill($0.baseAddress!, size, first) }
        }
        guard reply.byteCount == size else { throw Failure("reply \(first) arrived with \(reply.byteCount) bytes") }
        try reply.bytes.withUnsafeBytes { try Payload.check($0.baseAddress!, size, first) }
    }
}

struct CallReceiver: MessageReceiver, ~Copyable {
    private var server: CallServer?
    private let size: Int

    init(_ descriptor: Int32, _ test: Case, _ side: Side) throws {
        size = test.size
        server = side == .peer ? try CallService.open(descriptor: descriptor).makeServer(waiting: test.wait, options: .measured) : nil
    }

    mutating func receive(_ first: UInt64, limit: Int) throws -> Int {
        guard server != nil else { return 1 }
        let size = size
        let request = try server!.next()
        try Self.check(request, size, first)
        try request.reply(byteCount: size) { bytes in bytes.withUnsafeMutableBytes { Payload.fill($0.baseAddress!, size, first) } }
        return 1
    }

    @inline(__always)
    private static func check(_ request: borrowing CallRequest, _ size: Int, _ number: UInt64) throws {
        guard request.byteCount == size else { throw Failure("request \(number) arrived with \(request.byteCount) bytes") }
        try request.bytes.withUnsafeBytes { try Payload.check($0.baseAddress!, size, number) }
    }
}
