import SharedRing

extension Reception where Source: ~Copyable {
    /// Writes each message as it is, straight from the ring. Only when it is written its view ends, and with it the claim
    /// of a next receiver to get it again.
    mutating func receiveBytes() throws {
        let progress = progress
        while try waitForMessage() {
            _ = try consumer.drain { message throws(ToolFailure) in
                let bytes = message.bytes
                try bytes.withUnsafeBytes { raw throws(ToolFailure) in try StandardStreams.write(raw) }
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
                    _ = try consumer.drain { message throws(OutputBuffer.Full) in try buffer.append(message) }
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
        try StandardStreams.write(buffer.bytes)
        try consumer.acknowledge()
        progress.advance(bytes: buffer.bytes.count, messages: buffer.messages)
        buffer.clear()
    }
}
