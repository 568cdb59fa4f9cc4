import CBench
import Glibc

/// The reading end of a pipe with several writers, which are `ByteSender`s: what one `write` of at most `PIPE_BUF` bytes
/// gives stays together.
struct SharedPipeReceiver: CrowdReceiver, ~Copyable {
    private let descriptor: Int32
    private let size: Int
    private let buffer: UnsafeMutableRawBufferPointer
    /// The beginning of a message that has not arrived in full.
    private var left = 0

    init(_ descriptor: Int32, _ test: Case) throws {
        guard test.size * test.batch <= Int(PIPE_BUF) else {
            throw Failure("writers share a pipe in pieces of at most \(PIPE_BUF) bytes, not \(test.size * test.batch)")
        }
        self.descriptor = descriptor
        size = test.size
        buffer = .allocate(byteCount: size * test.batch, alignment: 64)
        buffer.initializeMemory(as: UInt8.self, repeating: 0)
    }

    deinit { buffer.deallocate() }

    mutating func receive(_ count: Int, batch: Int, _ ledger: inout Ledger) throws {
        var left = count
        while left > 0 { left &-= try receive(limit: min(batch, left), &ledger) }
    }

    @inline(__always)
    private mutating func receive(limit: Int, _ ledger: inout Ledger) throws -> Int {
        let start = buffer.baseAddress!
        var filled = left
        repeat {
            let count = try libc(read(descriptor, start + filled, size * limit - filled), "read failed")
            guard count > 0 else { throw Failure("the pipe ended before its messages") }
            filled += count
        } while filled < size
        let whole = filled / size
        for index in 0..<whole { try ledger.check(start + index * size) }
        left = filled - whole * size
        if left > 0 { memmove(start, start + whole * size, left) }
        return whole
    }
}
