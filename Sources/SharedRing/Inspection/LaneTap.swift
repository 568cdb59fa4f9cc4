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
    /// What was said to be damaged already.
    private var damagedPosition: UInt64?

    // SAFETY, for every `unsafe` here: the words lie in the control mapping, which this keeps; a position is checked to be aligned
    // and masked before it becomes an address, and a record that `admits` ends inside the double mapping.

    init(
        _ number: Int, of header: SegmentHeader, data: Mapping, control: UnsafeMutablePointer<sr_lane_control>,
        keeping controlMapping: Mapping, from start: RingTap.Start
    ) {
        self.number = number
        shape = LaneShape(header)
        isTotallyOrdered = header.isTotallyOrdered
        dataOffset = header.dataOffset + number * header.laneCapacity
        self.data = data
        self.controlMapping = controlMapping
        unsafe self.control = control
        // SYNC: record-visible: what was committed before this head was stored is seen to be.
        let head = unsafe sr_load_acquire_u64(sr_head(control))
        position = head
        if start == .tail {
            let (shape, base) = unsafe (shape, data.base)
            let account = LaneAccount.now(shape) {
                unsafe LaneAccount(control)
            } header: {
                // SYNC: account: a word that was overwritten is seen with the account that was told before.
                unsafe RecordHeader(bits: sr_load_acquire_u64(base + Int($0 & shape.mask)))
            }
            if account.tail & (shape.alignment - 1) == 0, account.tail &- head <= shape.capacity { position = account.tail }
        }
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
    private func largestEnd() -> UInt64 { unsafe sr_load_acquire_u64(sr_head(control)) &+ shape.capacity &- shape.alignment }

    /// Copies records until there is none, or enough. Nothing of it counts before it is known that it was not overwritten.
    private func copyRun(into run: inout [RingTap.Event]) -> (position: UInt64, impossible: UInt64?) {
        var next = position
        var end = largestEnd()
        while next &- position < Self.runSize {
            let place = unsafe data.base + Int(next & shape.mask)
            // SYNC: record-visible (pairs with LaneWriter.commit and .storeHeader)
            let header = unsafe RecordHeader(bits: sr_load_acquire_u64(place))
            if header.isAbsent { break }
            guard header.isEnd || shape.admits(header) else { return (next, header.bits) }
            let spacing = header.isEnd ? shape.spacingOfEnd : shape.spacing(shape.messageSize(header))
            if Int64(bitPattern: next &+ spacing &- end) > 0 {
                // Whoever wrote this had seen a head that gives room for it, so this load sees that head, or a later one. Without
                // this bound, records that seem to have no end would be shown lap after lap.
                end = largestEnd()
                if Int64(bitPattern: next &+ spacing &- end) > 0 { return (next, header.bits) }
            }
            if header.isEnd {
                run.append(.ended(lane: number, position: next, isClosed: header.tag & 1 == 0))
            } else {
                unsafe run.append(.message(message(header, at: place, next)))
            }
            next &+= spacing
        }
        return (next, nil)
    }

    private func message(_ header: RecordHeader, at place: UnsafeMutableRawPointer, _ position: UInt64) -> TappedMessage {
        let count = shape.messageSize(header)
        let ticket = isTotallyOrdered ? unsafe sr_load_relaxed_u64(place + Int(SR_RECORD_HEADER_SIZE)) : nil
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialised in
            if let start = buffer.baseAddress { unsafe sr_copy(start, place + shape.messageOffset, Int64(count)) }
            initialised = count
        }
        return TappedMessage(lane: number, position: position, tag: header.tag, ticket: ticket, bytes: bytes)
    }

    /// Goes on at the head.
    private mutating func resynchronise(into events: inout [RingTap.Event]) {
        let head = unsafe sr_load_acquire_u64(sr_head(control))
        guard head & (shape.alignment - 1) == 0 else {
            if damagedPosition != head { events.append(damage("the lane's head is \(head), no multiple of its record alignment")) }
            damagedPosition = head
            return
        }
        let missed = Int64(bitPattern: head &- position)
        if missed > 0 {
            let most = max(1, UInt64(missed) / shape.alignment)
            events.append(.missed(TapMiss(lane: number, position: position, nextPosition: head, mostMessages: most)))
        }
        position = head
    }

    private func damage(_ detail: String) -> RingTap.Event {
        .damaged(
            RingCheck.Damage(
                lane: number, position: position, fileOffset: dataOffset + Int(position & shape.mask), detail: detail))
    }
}
