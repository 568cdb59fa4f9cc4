import RingBridge

/// A log in memory, which checks what JetStream checks. A test puts other writers' records into it between two appends.
final class MemoryLog: StreamLog {
    struct Entry {
        var record: StoredRecord
        var text: String
    }

    /// The record with sequence n is `entries[n - 1]`.
    var entries: [Entry] = []
    /// Called before each append, with the sequence that it stands behind.
    var beforeAppend: (UInt64) -> Void = { _ in }
    /// Whether it answers a message that it has with `duplicate`.
    var remembersIDs = true
    /// What it says that it takes, and what it takes, in bytes, headers included.
    var largestMessage = 1 << 20
    var largestTaken = Int.max
    /// It stores nothing of the next append, and says that its place is another one.
    var refusesNext = false
    /// Whether it says so in a receipt, or when it is asked to append.
    var refusesInReceipt = true
    private(set) var duplicates = 0
    /// How many receipts were asked for.
    private(set) var receiptsAsked = 0
    private(set) var letters: [String] = []
    /// The most bytes of payloads that had no receipt at a time.
    private(set) var mostBytesInFlight = 0
    private var bytesInFlight = 0
    /// Payloads that the next receipt stands for, too.
    private var bytesWithoutReceipt = 0
    private var receipts: [(receipt: Receipt, byteCount: Int)] = []

    var texts: [String] { entries.map(\.text) }

    /// Another writer's record.
    func add(_ id: MessageID? = nil, plan: WindowPlan? = nil, text: String = "another's") {
        entries.append(Entry(record: StoredRecord(id: id, plan: plan), text: text))
    }

    var isConnected: Bool { true }
    var reconnects: Int { 0 }
    func checkConnection() {}
    /// What a broker that is behind says, so many times: where the log ends.
    var behind: (end: Int, times: Int) = (0, 0)

    func end() -> LogEnd {
        guard behind.times > 0 else { return LogEnd(first: 1, last: UInt64(entries.count)) }
        behind.times -= 1
        return LogEnd(first: 1, last: UInt64(behind.end))
    }

    func record(at sequence: UInt64) -> StoredRecord? {
        entries.indices.contains(Int(sequence) - 1) ? entries[Int(sequence) - 1].record : nil
    }

    func append(_ message: OutgoingMessage, behind last: UInt64) throws(LogFailure) {
        beforeAppend(last)
        let size = message.payload.count + (message.plan?.description.utf8.count ?? 0) + 529
        if size > largestTaken, !refusesInReceipt { throw .tooLarge("it is too large") }
        bytesInFlight += message.payload.count
        mostBytesInFlight = max(mostBytesInFlight, bytesInFlight)
        var receipt = Receipt(sequence: last + 1, outcome: .wrongSequence)
        if size > largestTaken {
            receipt.outcome = .refused("it is too large")
        } else if remembersIDs, let index = entries.firstIndex(where: { $0.record.id == message.id }) {
            receipt.outcome = .stored(UInt64(index + 1))
            receipt.isDuplicate = true
            duplicates += 1
        } else if refusesNext {
            refusesNext = false
        } else if last == entries.count, message.previous == nil || entries.last?.record.id == message.previous {
            add(message.id, plan: message.plan, text: String(decoding: message.payload, as: UTF8.self))
            receipt.outcome = .stored(last + 1)
        }
        bytesWithoutReceipt += message.payload.count
        guard message.wantsReceipt else { return }
        receiptsAsked += 1
        receipts.append((receipt, bytesWithoutReceipt))
        bytesWithoutReceipt = 0
    }

    var needsOpening: Bool { false }
    func appendOpening() {}

    func nextReceipt(milliseconds: Int) -> Receipt? {
        guard !receipts.isEmpty else { return nil }
        let (receipt, byteCount) = receipts.removeFirst()
        bytesInFlight -= byteCount
        return receipt
    }

    func forgetReceipts() {
        receipts.removeAll()
        (bytesInFlight, bytesWithoutReceipt) = (0, 0)
    }

    func storeDeadLetter(_ letter: DeadLetter) { letters.append(String(decoding: letter.payload, as: UTF8.self)) }
}
