import CSharedRing

extension LaneWriter {
    /// The first invariant that does not hold, in words; nil if all do. For tests and fuzzers, between two calls. See the list at the type.
    mutating func checkInvariants() -> String? {
        let capacity = Int(shape.capacity)
        let (tail, limit) = (tail, counted.writeLimit)

        let offset = unsafe cursor - data
        guard (0..<2 * capacity).contains(offset) else { return "the cursor is \(offset) bytes into a double mapping of \(2 * capacity)" }
        guard UInt64(offset) & shape.mask == tail & shape.mask else { return "the cursor is \(offset) bytes in, the tail is \(tail)" }

        let length = unsafe cursor - runStart
        guard (0..<2 * capacity).contains(length) else { return "the run is \(length) bytes long" }
        if runSize == Self.mixed {
            guard (length == 0) == (mixedMessages == 0), mixedMessages > 0 || mixedBytes == 0 else {
                return "\(mixedMessages) messages of \(mixedBytes) bytes are counted one by one, in \(length) bytes"
            }
        } else {
            guard (0...shape.largestMessage).contains(runSize), runSpacing == Int(shape.spacing(runSize)) else {
                return "a run of \(runSize) bytes a message has records of \(runSpacing)"
            }
            guard length % runSpacing == 0, mixedMessages == 0, mixedBytes == 0 else {
                return "a run of records of \(runSpacing) bytes is \(length) long, and \(mixedMessages) messages are counted beside it"
            }
        }

        guard shape.isAligned(tail), subscribers != nil || shape.isAligned(lastHead) else {
            return "tail \(tail) and head \(lastHead) are no record boundaries"
        }
        // A publisher writes nothing beyond a limit of its own, which the published one may lie beyond.
        let open = subscribers == nil ? limit : lastHead &+ shape.capacity
        guard tail &- lastHead <= open &- lastHead, open &- lastHead <= shape.capacity else {
            return "head \(lastHead), tail \(tail) and limit \(open) are not in this order within a capacity"
        }
        guard subscribers == nil || limit &- published.tail <= shape.capacity else {
            return "the write limit is \(limit), further than a capacity beyond the tail \(published.tail)"
        }
        guard published.writeLimit == limit else { return "the write limit is \(limit), and \(published.writeLimit) is published" }

        guard unsafe doorbell == sleepers.word || isPlain && isAhead else { return "a commit looks at neither word" }

        // Loaded once: the canceller may close it at any time.
        let end = unsafe sr_load_relaxed_u64(&windowEnd)
        if end == Self.closed { return nil }
        guard isPlain, poison == nil else { return "the window of a lane that is \(isPlain ? "poisoned" : "not plain") is open" }
        let room = unsafe Int(truncatingIfNeeded: end &- UInt64(UInt(bitPattern: cursor)))
        guard room <= shape.largestMessage else { return "the window is open for \(room) bytes, more than a message has" }
        // No room at all: then the end may lie before the cursor.
        guard room >= 0 else { return nil }
        let reach = shape.spacing(room) &+ shape.alignment
        guard offset + Int(reach) <= 2 * capacity else { return "the window ends \(offset + Int(reach)) bytes into the double mapping" }
        guard tail &+ reach &- lastHead <= open &- lastHead else {
            return "the window ends \(reach) bytes behind \(tail), beyond the limit \(open)"
        }
        return nil
    }
}
