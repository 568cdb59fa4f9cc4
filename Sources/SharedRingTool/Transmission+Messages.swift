import SharedRing

/// Input in which a splitter finds messages: read in blocks, sent in batches.
extension Transmission {
    private static var blockSize: Int { 256 << 10 }

    mutating func sendMessages<S: Splitter>(_ splitter: consuming S) throws {
        var splitter = splitter
        var block = InputBlock(capacity: Self.blockSize)
        while try block.read() {
            try sendWholeMessages(of: &block, &splitter)
        }
        guard let last = try splitter.last(block.bytes) else { return }
        try waitForRoom(for: last.count)
        try producer.send(last)
        progress.advance(bytes: last.count, messages: 1)
    }

    /// Sends all messages that are whole, and leaves the rest in the block.
    private mutating func sendWholeMessages<S: Splitter>(of block: inout InputBlock, _ splitter: inout S) throws {
        while true {
            var room: Int?
            var isRefused = false
            var count = 0
            let before = block.bytes.count

            var batch = producer.batch()
            search: while true {
                switch splitter.next(in: block.bytes) {
                case .message(let payload, let consumed):
                    guard try batch.tryAppend(payload.bytes) else {
                        room = payload.count
                        break search
                    }
                    count += 1
                    block.drop(consumed)
                case .partial: break search
                case .tooLarge:
                    isRefused = true
                    break search
                }
            }
            // Before any waiting, for room or for input: the receiver can't see a batch.
            batch.commit()

            progress.advance(bytes: before - block.bytes.count, messages: count)
            // What came before it is sent all the same, and first: the refusal may wait for the end of the message.
            if isRefused { throw try splitter.refusal(of: block.bytes) }
            guard let room else { return }
            try waitForRoom(for: room)
        }
    }
}
