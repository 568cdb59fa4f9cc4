import SharedRing

/// Input without structure: read straight into the ring.
///
/// A claim is held while the input is waited for. That holds up no other process: until it is committed it is not there.
extension Transmission {
    /// Sends what each read gives at once, so that a slow input is passed on as it comes.
    mutating func sendReads(upTo chunk: Int) throws {
        // Less room than a chunk will do: a small ring takes several messages this way instead of one that fills it.
        let least = min(chunk, producer.largestMessage / 8)
        while true {
            try waitForRoom(for: least)
            if try !sendOne(min(chunk, producer.freeBytes), StandardStreams.read) { return }
        }
    }

    /// Sends messages of exactly `size` bytes, but for the last.
    mutating func sendChunks(of size: Int) throws {
        while true {
            try waitForRoom(for: size)
            if try !sendOne(size, StandardStreams.fill) { return }
        }
    }

    /// False: the input has ended.
    private mutating func sendOne(_ size: Int, _ read: (UnsafeMutableRawBufferPointer) throws -> Int) throws -> Bool {
        var claim = try producer.claim(byteCount: size)
        var bytes = claim.bytes
        let count = try bytes.withUnsafeMutableBytes { try read($0) }
        if count == 0 { return false }
        try claim.commit(byteCount: count)
        progress.advance(bytes: count, messages: 1)
        return true
    }
}
