import CSharedRing

extension LaneReader {
    /// The first invariant that does not hold, in words; nil if all do. For tests and fuzzers, between two calls. See the list at the type.
    mutating func checkInvariants() -> String? {
        let head = head
        let offset = unsafe cursor - data
        guard (0..<Int(shape.capacity)).contains(offset) else { return "the cursor is \(offset) bytes into a mapping of \(shape.capacity)" }
        guard UInt64(offset) == head & shape.mask else { return "the cursor is \(offset) bytes in, the head is \(head)" }
        guard shape.isAligned(head), shape.isAligned(published) else { return "\(published) or \(head) is no record boundary" }
        guard Int64(bitPattern: head &- published) >= 0 else { return "\(published) is acknowledged, and the head is \(head)" }

        if case .out = loan {
            guard lastSpacing > 0, lastSpacing <= Int(shape.capacity), shape.isAligned(UInt64(lastSpacing)) else {
                return "a message is out whose record takes \(lastSpacing) bytes"
            }
        }
        // Loaded once: the canceller may store it at any time.
        let size = unsafe sr_load_relaxed_u64(&lastSize)
        if size != Self.noSize {
            let header = RecordHeader(bits: size)
            guard shape.prefix == 0, shape.admits(header), Int(shape.spacing(shape.messageSize(header))) == lastSpacing else {
                return "records of size 0x\(String(size, radix: 16)) are taken to be \(lastSpacing) bytes long"
            }
        }
        guard ticketPosition == Self.noTicket || Int64(bitPattern: ticketPosition &- head) < Int64(shape.capacity) else {
            return "the ticket of position \(ticketPosition) was seen, and the head is \(head)"
        }

        if poison != nil { return loan == .ended ? nil : "the lane is poisoned, and its loan is \(loan)" }
        guard unsafe cursor < cursorLimit else { return "the cursor is \(offset) bytes in, its limit at \(unsafe cursorLimit - data)" }
        guard (1...shape.capacity).contains(nextProof &- head) else { return "the next proof is at \(nextProof), the head is \(head)" }
        return nil
    }
}
