import CSharedRing

/// A tap's place in one lane.
@safe
struct LaneTap {
    /// What is copied at most before it is looked whether it was overwritten meanwhile; a longer message goes alone.
    private static let runSize = 1 << 18

    private let number: Int
    private let shape: LaneShape
    private let isTotallyOrdered: Bool
    private let dataOffset: Int
    private let data: Mapping
    private let controlMapping: Mapping
    private let control: UnsafeMutablePointer<sr_lane_control>
    private(set) var position: UInt64
    /// What was sent in the lane before the position; nil: not known.
    private var count: Count?
    /// What was said to be damaged already.
    private var damagedPosition: UInt64?

    /// Where a tap begins in a lane.
    enum Beginning {
        /// Where it began when nobody had used it yet: with its first message.
        case unused(head: UInt64, sent: LaneAccount)
        case head
        case tail
    }

    /// Messages since the lane was made, and the bytes in them. A stranger's words may be among them: wrapping.
    private struct Count {
        var messages: UInt64
        var byteCount: UInt64

        init(messages: UInt64, byteCount: UInt64) {
            self.messages = messages
            self.byteCount = byteCount
        }

        init(_ account: LaneAccount) { self.init(messages: account.messages, byteCount: account.byteCount) }

        static func + (a: Count, b: Count) -> Count {
            Count(messages: a.messages &+ b.messages, byteCount: a.byteCount &+ b.byteCount)
        }

        static func - (a: Count, b: Count) -> Count {
            Count(messages: a.messages &- b.messages, byteCount: a.byteCount &- b.byteCount)
        }
    }

    // SAFETY, for every `unsafe` here: the words lie in the control mapping, which this keeps; a position is checked to be aligned
    // and masked before it becomes an address, and a record that `admits` ends inside the double mapping.

    init(
        _ number: Int, of header: SegmentHeader, data: Mapping, control: UnsafeMutablePointer<sr_lane_control>,
        keeping controlMapping: Mapping, from beginning: Beginning
    ) {
        self.number = number
        shape = LaneShape(header)
        isTotallyOrdered = header.isTotallyOrdered
        dataOffset = header.dataOffset + number * header.laneCapacity
        self.data = data
        self.controlMapping = controlMapping
        unsafe self.control = control
        switch beginning {
        case .unused(let head, let sent):
            position = head
            // A lane that nobody has used is counted from its account, whose tail is where it begins.
            count = sent.tail == head ? Count(sent) : nil
        case .head:
            // SYNC: record-visible: what was committed before this head was stored is seen to be.
            position = unsafe sr_load_acquire_u64(sr_head(control))
            count = nil
            if let (head, count) = countedHead(isFirst: true) { (position, self.count) = (head, count) }
        case .tail:
            let head = unsafe sr_load_acquire_u64(sr_head(control))
            position = head
            count = nil
            let (shape, base) = unsafe (shape, data.base)
            let account = LaneAccount.now(shape) {
                unsafe LaneAccount(control)
            } header: {
                // SYNC: account: a word that was overwritten is seen with the account that was told before.
                unsafe RecordHeader(bits: sr_load_acquire_u64(base + Int($0 & shape.mask)))
            }
            if account.tail & (shape.alignment - 1) == 0, account.tail &- head <= shape.capacity {
                position = account.tail
                count = Count(account)
            }
        }
    }

    /// What stands at a position.
    ///
    /// SYNC: record-visible (pairs with LaneWriter.commit and .storeHeader); and account: a word that was overwritten is seen with the
    /// account that was told before.
    private func header(at position: UInt64) -> RecordHeader {
        unsafe RecordHeader(bits: sr_load_acquire_u64(data.base + Int(position & shape.mask)))
    }

    // MARK: Counting

    /// Where the head is, and what was sent before it, by the newest account and the records between the two. Nil: the lane's words
    /// contradict each other, or it was overtaken again and again.
    ///
    /// - Parameter isFirst: the head itself is wanted. Otherwise the account's own tail will do, if the head has passed it: from there on
    ///   the records are still in their places, and so there is more to show.
    private func countedHead(isFirst: Bool = false) -> (head: UInt64, count: Count)? {
        var newest: LaneAccount?
        for _ in 0..<8 {
            // SYNC: account
            let account = unsafe LaneAccount(control)
            // SYNC: record-visible. Behind the account, so it is no older than the head that the account's producer had seen.
            let head = unsafe sr_load_acquire_u64(sr_head(control))
            guard account.tail & (shape.alignment - 1) == 0, head & (shape.alignment - 1) == 0 else { return nil }
            let isPassed = Int64(bitPattern: head &- account.tail) >= 0
            let (start, end) = isPassed ? (account.tail, head) : (head, account.tail)
            guard end &- start <= shape.capacity else { return nil }
            newest = account
            if isPassed, !isFirst { return (account.tail, Count(account)) }
            let walked = walk(from: start, to: end)
            if isOverwritten(start) { continue }
            // What stands there now is no producer's: it is to be shown where it stands, and not to be passed over.
            guard let walked else { return nil }
            let sent = Count(account)
            return (head, isPassed ? sent + walked : sent - walked)
        }
        // What was overtaken is a stream in full flight: its newest account is as good a place, and says what was sent before it.
        return newest.map { ($0.tail, Count($0)) }
    }

    /// What the records from one position to another amount to. Nil: no record ends there.
    private func walk(from start: UInt64, to end: UInt64) -> Count? {
        var walked = Count(messages: 0, byteCount: 0)
        var walk = RecordWalk(shape, from: start, limit: end)
        while walk.position != end {
            switch walk.next(header) {
            case .message(let record): walked = walked + Count(messages: 1, byteCount: UInt64(record.byteCount))
            case .end: break
            case .absent, .malformed, .beyondCapacity: return nil
            }
        }
        return walked
    }

    /// Whether the head is beyond a position now, so that what was read there before this call may have been something else's.
    private func isPassed(_ position: UInt64) -> Bool {
        // The copy before, this load after. Who overwrites has loaded a head that allows it before, and the processor shows that head
        // no later than what was written.
        sr_fence_full()
        return Int64(bitPattern: unsafe sr_load_acquire_u64(sr_head(control)) &- position) > 0
    }

    /// Whether what was read at the position or behind it, before this call, may have been something else's. False is a proof, but for
    /// what strangers write.
    private func isOverwritten(_ position: UInt64) -> Bool {
        guard isPassed(position) else { return false }
        // SYNC: account (pairs with LaneAccount.tell), behind the fence in `isPassed`: who overwrites has told before how far it will go.
        return Int64(bitPattern: unsafe LaneAccount(control).bound &- position) > Int64(shape.capacity)
    }

    /// Appends what there is at the position and behind it.
    mutating func look(into events: inout [RingTap.Event]) {
        guard position & (shape.alignment - 1) == 0 else { return resynchronise(into: &events) }
        var run: [RingTap.Event] = []
        let next = copyRun(into: &run)
        if isOverwritten(position) { return resynchronise(into: &events) }
        for case .message(let message) in run {
            count = count.map { $0 + Count(messages: 1, byteCount: UInt64(message.bytes.count)) }
        }
        events += run
        position = next.position
        if let bits = next.impossible {
            if isPassed(position) { return resynchronise(into: &events) }
            if damagedPosition == position { return }
            damagedPosition = position
            events.append(damage("the record header is 0x\(String(bits, radix: 16)), which no producer writes there"))
        } else if run.isEmpty, isPassed(position) {
            // There was a record, for the head has passed it. If it is still not there, it is no more.
            let place = unsafe data.base + Int(position & shape.mask)
            if unsafe sr_load_acquire_u64(place) == 0 { resynchronise(into: &events) }
        }
    }

    /// Where the last record can end at most.
    private func largestEnd() -> UInt64 { shape.largestEnd(fromHead: unsafe sr_load_acquire_u64(sr_head(control))) }

    /// Copies records until there is none, or enough. Nothing of it counts before it is known that it was not overwritten.
    private func copyRun(into run: inout [RingTap.Event]) -> (position: UInt64, impossible: UInt64?) {
        var walk = RecordWalk(shape, from: position, limit: largestEnd())
        while walk.position &- position < Self.runSize {
            var step = walk.next(header)
            if case .beyondCapacity = step {
                // Whoever wrote this had seen a head that gives room for it, so this load sees that head, or a later one. Without
                // this bound, records that seem to have no end would be shown lap after lap.
                walk.limit = largestEnd()
                step = walk.next(header)
            }
            switch step {
            case .message(let record): run.append(.message(message(record)))
            case .end(let record):
                run.append(.ended(lane: number, position: record.position, isClosed: record.header.tag & 1 == 0))
            case .absent: return (walk.position, nil)
            case .malformed(let position, let bits): return (position, bits)
            case .beyondCapacity(let record, _): return (record.position, record.header.bits)
            }
        }
        return (walk.position, nil)
    }

    private func message(_ record: RecordWalk.Record) -> TappedMessage {
        let count = record.byteCount
        let place = unsafe data.base + Int(record.position & shape.mask)
        let ticket = isTotallyOrdered ? unsafe sr_load_relaxed_u64(place + Int(SR_RECORD_HEADER_SIZE)) : nil
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialised in
            if let start = buffer.baseAddress { unsafe sr_copy(start, place + shape.messageOffset, Int64(count)) }
            initialised = count
        }
        return TappedMessage(lane: number, position: record.position, tag: record.header.tag, ticket: ticket, bytes: bytes)
    }

    /// Goes on at the head, or behind it where the records are still in their places; and says what was missed.
    private mutating func resynchronise(into events: inout [RingTap.Event]) {
        let head = unsafe sr_load_acquire_u64(sr_head(control))
        guard head & (shape.alignment - 1) == 0 else {
            if damagedPosition != head { events.append(damage("the lane's head is \(head), no multiple of its record alignment")) }
            damagedPosition = head
            return
        }
        // Never back: what was shown is not shown again. What contradicts that is a stranger's.
        let counted = countedHead().flatMap { Int64(bitPattern: $0.head &- position) > 0 ? $0 : nil }
        let next = counted?.head ?? head
        let skipped = Int64(bitPattern: next &- position)
        if skipped > 0 {
            var miss = TapMiss(
                lane: number, position: position, nextPosition: next, messages: nil, messageBytes: nil,
                mostMessages: max(1, UInt64(skipped) / shape.alignment))
            // More than can stand in so many bytes is a stranger's count.
            if let now = counted?.count, let before = count, now.messages &- before.messages <= miss.mostMessages,
                now.byteCount &- before.byteCount <= miss.byteCount
            {
                miss.messages = now.messages &- before.messages
                miss.messageBytes = now.byteCount &- before.byteCount
                miss.mostMessages = now.messages &- before.messages
            }
            events.append(.missed(miss))
        }
        position = next
        count = counted?.count
    }

    private func damage(_ detail: String) -> RingTap.Event {
        .damaged(
            RingCheck.Damage(
                lane: number, position: position, fileOffset: dataOffset + Int(position & shape.mask), detail: detail))
    }
}
