import Glibc

/// The reading end of a pipe with several writers, which are `ByteSender`s: what one `write` of at most `PIPE_BUF` bytes
/// gives stays together.
struct SharedPipeReceiver: ManyProducersReceiver, ~Copyable {
    private var bytes: ByteStream

    init(_ descriptor: Int32, _ test: Case) throws {
        guard test.size * test.batch <= Int(PIPE_BUF) else {
            throw Failure("writers share a pipe in pieces of at most \(PIPE_BUF) bytes, not \(test.size * test.batch)")
        }
        bytes = ByteStream(descriptor, test)
    }

    mutating func receive(_ count: Int, batch: Int, _ ledger: inout Ledger) throws {
        var left = count
        while left > 0 {
            let whole = try bytes.read(limit: min(batch, left))
            for index in 0..<whole { try ledger.check(bytes.buffer.start + index * bytes.buffer.size) }
            bytes.drop(whole)
            left &-= whole
        }
    }
}
