import Glibc

/// Sends through a descriptor that carries a stream of bytes: a pipe, a Unix stream socket, a TCP connection. A batch is one
/// system call.
struct ByteSender: MessageSender, ~Copyable {
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
        while done < size * count { done += try libc(write(descriptor, start + done, size * count - done), "write failed") }
    }
}

/// Receives from such a descriptor. A batch is what one system call brings.
struct ByteReceiver: MessageReceiver, ~Copyable {
    private let descriptor: Int32
    private let size: Int
    private let buffer: UnsafeMutableRawBufferPointer
    /// The beginning of a message that has not arrived in full.
    private var left = 0

    init(_ descriptor: Int32, _ test: Case, _ side: Side) throws {
        self.descriptor = descriptor
        size = test.size
        buffer = .allocate(byteCount: size * test.batch, alignment: 64)
        buffer.initializeMemory(as: UInt8.self, repeating: 0)
    }

    deinit { buffer.deallocate() }

    mutating func receive(_ first: UInt64, limit: Int) throws -> Int {
        let start = buffer.baseAddress!
        var filled = left
        repeat {
            let count = try libc(read(descriptor, start + filled, size * limit - filled), "read failed")
            guard count > 0 else { throw Failure("the stream ended before message \(first)") }
            filled += count
        } while filled < size
        let whole = size == 1 ? filled : filled / size
        for index in 0..<whole { try Payload.check(start + index * size, size, first &+ UInt64(index)) }
        left = filled - whole * size
        if left > 0 { memmove(start, start + whole * size, left) }
        return whole
    }
}
