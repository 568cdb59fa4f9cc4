import Glibc

/// Sends through a descriptor that carries a stream of bytes: a pipe, a Unix stream socket, a TCP connection. A batch is one
/// system call.
struct ByteSender: MessageSender, ~Copyable {
    private let buffer: MessageBuffer

    init(_ descriptor: Int32, _ test: Case, _ side: Side) throws { buffer = MessageBuffer(descriptor, test) }

    mutating func send(_ first: UInt64, count: Int) throws {
        buffer.fill(first, count: count)
        let size = buffer.size * count
        var done = 0
        while done < size { done += try libc(write(buffer.descriptor, buffer.start + done, size - done), "write failed") }
    }
}

/// Receives from such a descriptor. A batch is what one system call brings.
struct ByteReceiver: MessageReceiver, ~Copyable {
    private var bytes: ByteStream

    init(_ descriptor: Int32, _ test: Case, _ side: Side) throws { bytes = ByteStream(descriptor, test) }

    mutating func receive(_ first: UInt64, limit: Int) throws -> Int {
        let count = try bytes.read(limit: limit)
        try bytes.buffer.check(first, count: count)
        bytes.drop(count)
        return count
    }
}

/// Cuts a stream of bytes into messages.
struct ByteStream: ~Copyable {
    let buffer: MessageBuffer
    /// The bytes that have arrived.
    private var filled = 0

    init(_ descriptor: Int32, _ test: Case) { buffer = MessageBuffer(descriptor, test) }

    /// Returns how many messages are whole, at least one.
    @inline(__always)
    mutating func read(limit: Int) throws -> Int {
        repeat {
            let count = try libc(Glibc.read(buffer.descriptor, buffer.start + filled, buffer.size * limit - filled), "read failed")
            guard count > 0 else { throw Failure("the stream ended before its messages") }
            filled += count
        } while filled < buffer.size
        return filled / buffer.size
    }

    /// Makes room: what is left is the beginning of a message that has not arrived in full.
    @inline(__always)
    mutating func drop(_ count: Int) {
        let whole = count * buffer.size
        filled -= whole
        if filled > 0 { memmove(buffer.start, buffer.start + whole, filled) }
    }
}
