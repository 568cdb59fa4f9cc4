/// The messages that were taken out of the ring and are not acknowledged in it: copies, so that they can be published again.
///
/// Invariants:
/// - `confirmed <= sent <= limit <= entries.count`
/// - the message of `entries[i]` has sequence `base + i + 1` in the stream, and no other, for `i < limit`
/// - the copies lie in `bytes[..<used]`
struct Window {
    struct Entry {
        var lane: Int
        var position: UInt64
        var tag: UInt32
        var start: Int
        var count: Int
    }

    private(set) var entries: [Entry] = []
    private var bytes: [UInt8]
    private var used = 0
    /// The stream's last sequence before the first entry.
    var base: UInt64 = 0
    /// How many entries, from the first on, are stored in the stream.
    private(set) var confirmed = 0
    var sent = 0
    /// How many entries, from the first on, have their place in the stream.
    var limit = 0
    /// No more entries are taken before all are stored.
    var isSealed = false
    /// What the first message carries with it.
    var plan: WindowPlan?
    /// Each message asks for a receipt: one of them failed, and its receipt says why.
    private(set) var asksForEach = false

    let mostMessages: Int
    let mostBytes: Int
    /// More bytes than a message's headers have, without the plan: 529 with the longest name of a stream.
    static let headerRoom = 1024

    init(mostMessages: Int, mostBytes: Int) {
        self.mostMessages = min(mostMessages, WindowPlan.mostMessages)
        self.mostBytes = mostBytes
        bytes = [UInt8](repeating: 0, count: mostBytes)
        entries.reserveCapacity(self.mostMessages)
    }

    var isEmpty: Bool { entries.isEmpty }
    var inFlight: Int { sent - confirmed }
    var isStored: Bool { confirmed == limit }
    var byteCount: Int { used }

    func hasRoom(for count: Int) -> Bool { entries.isEmpty || (entries.count < mostMessages && used + count <= mostBytes) }

    /// Copies a message. Grows beyond `mostBytes` for a message that is larger, and for what a predecessor's plan asks for.
    mutating func append(lane: Int, position: UInt64, tag: UInt32, _ payload: UnsafeRawBufferPointer) {
        if used + payload.count > bytes.count {
            bytes.append(contentsOf: repeatElement(0, count: used + payload.count - bytes.count))
        }
        bytes.withUnsafeMutableBytes { UnsafeMutableRawBufferPointer(rebasing: $0[used...]).copyMemory(from: payload) }
        entries.append(Entry(lane: lane, position: position, tag: tag, start: used, count: payload.count))
        used += payload.count
    }

    func withPayload<Answer, Failure: Error>(
        _ entry: Entry, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Answer
    ) throws(Failure) -> Answer {
        // A result, since `withUnsafeBytes` of an array does not pass the error's type on.
        try bytes.withUnsafeBytes { all in
            Result { () throws(Failure) in try body(UnsafeRawBufferPointer(rebasing: all[entry.start..<entry.start + entry.count])) }
        }.get()
    }

    /// This message is stored, and so is every one before it: the log takes a message only behind the one that it was sent behind.
    mutating func confirm(_ index: Int) {
        guard index >= confirmed, index < sent else { return }
        confirmed = index + 1
    }

    /// The stream was read back: this many are stored, the others are to be sent again.
    mutating func restart(confirmed: Int) {
        self.confirmed = confirmed
        sent = confirmed
        asksForEach = true
    }

    /// Forgets the entries that are stored. What stands behind them is for the next window.
    mutating func removeStored() {
        base &+= UInt64(confirmed)
        entries.removeFirst(confirmed)
        reset()
    }

    /// Only these entries, in this order, and none of them sent.
    mutating func keep(_ kept: [Entry]) {
        entries = kept
        reset()
    }

    private mutating func reset() {
        if entries.isEmpty {
            used = 0
            // What a predecessor's plan had asked for.
            if bytes.count > mostBytes { bytes.removeLast(bytes.count - mostBytes) }
        }
        (confirmed, sent, limit) = (0, 0, 0)
        asksForEach = false
        isSealed = !entries.isEmpty
        plan = nil
    }

    func checkInvariants() {
        precondition(0 <= confirmed && confirmed <= sent && sent <= limit && limit <= entries.count)
        precondition(entries.allSatisfy { $0.start >= 0 && $0.start + $0.count <= used } && used <= bytes.count)
    }
}
