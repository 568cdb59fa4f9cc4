import Glibc
import SharedRing

// What was written is acknowledged, and what was not is not: also if a signal ends this receiver, or the output fails.

extension Reception where Source: ~Copyable {
    /// Writes each message as it is, straight from the ring. Only when it is written its view ends, and with it the claim
    /// of a next receiver to get it again.
    mutating func receiveBytes() throws {
        let progress = progress
        while try waitForMessage() {
            try consumer.drain { message throws(ToolFailure) in
                // Before a message, not after: a body that throws leaves the message in the ring.
                if let signal = Signals.request { throw ToolFailure.ended(by: signal) }
                let bytes = message.bytes
                try bytes.withUnsafeBytes { raw throws(ToolFailure) in
                    let (count, error) = Self.write(raw) { written in written == 0 ? 0 : raw.count }
                    if count < raw.count { throw Self.failure(error) }
                }
                progress.advance(bytes: bytes.byteCount, messages: 1)
            }
        }
    }

    /// Collects messages in a buffer, writes it, and then acknowledges them. Nothing is in the buffer while it waits.
    mutating func receiveMessages(as format: OutputBuffer.Format) throws {
        var buffer = OutputBuffer(format, capacity: 256 << 10)
        while try waitForMessage() {
            while true {
                do throws(OutputBuffer.Full) {
                    try consumer.drain { message throws(OutputBuffer.Full) in try buffer.append(message) }
                    break
                } catch {
                    if buffer.isEmpty {
                        buffer.grow(to: error.needed)
                    } else {
                        try write(&buffer)
                    }
                }
            }
            try write(&buffer)
        }
    }

    private mutating func write(_ buffer: inout OutputBuffer) throws {
        let (count, error) = Self.write(buffer.bytes, endOfMessage: { written in buffer.endOfMessage(at: written) })
        if count == buffer.bytes.count {
            try consumer.acknowledge()
            progress.advance(bytes: count, messages: buffer.messages)
            buffer.clear()
            if let signal = Signals.request { throw ToolFailure.ended(by: signal) }
            return
        }
        // A pipe without a reader takes with it what it held, so nothing of this counts as written.
        if error != EPIPE { try consumer.acknowledge(before: buffer.unwrittenPositions(count)) }
        throw Self.failure(error)
    }

    /// Writes until a signal asks for an end, and then to the end of the message that was begun, for a second at most: the next
    /// receiver writes to the same place, and should not write behind half a message. Returns how much was written, and why not all.
    private static func write(_ bytes: UnsafeRawBufferPointer, endOfMessage: (Int) -> Int) -> (count: Int, error: Int32) {
        let (count, error) = StandardStreams.writeUntilAsked(bytes)
        guard error == EINTR else { return (count, error) }
        let (rest, failure) = StandardStreams.writeRest(UnsafeRawBufferPointer(rebasing: bytes[count..<endOfMessage(count)]))
        return (count + rest, failure == 0 ? error : failure)
    }

    private static func failure(_ error: Int32) -> ToolFailure {
        if error == EINTR, let signal = Signals.request { return .ended(by: signal) }
        return StandardStreams.outputFailure(error)
    }
}
