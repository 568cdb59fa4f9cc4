public import CSharedRing

/// The producer's side of a lane: the protocol that makes messages exist.
///
/// Its state is private to the producer and lies at a fixed address outside the segment, because claims and batches refer
/// to it while the producer is borrowed. It is not copyable, so that no call can copy it, references and all, by the way.
///
/// A position is 64 bits wide, only ever grows, and is masked when it becomes an address. A place is such an address; sending moves it on
/// without looking at the position.
@safe
@usableFromInline
struct LaneWriter: ~Copyable {
    // Read by every send, and no more than these: each further load costs it a tenth of its time.
    /// Where the next record goes. It lies in the double mapping, mostly in the first half.
    @usableFromInline var place: UnsafeMutableRawPointer
    /// An address: what is left from a place to here is the largest message that fits there in the short way. `nowhere` where none does,
    /// because the lane is poisoned, the process was forked, the waiter thread has this side, the canceller was used, or the lane is not plain. A canceller
    /// stores that from any thread, so both store and load it as an atomic word.
    @usableFromInline var room = LaneWriter.nowhere
    /// A run is messages of one size, one after the other. They are not counted one by one: how far they reach says how many they are.
    /// This is their size, and what the record of each takes. `mixed`: there is no run, and they are counted one by one.
    @usableFromInline var runSize = LaneWriter.mixed
    @usableFromInline var runSpacing: Int
    @usableFromInline var mixedMessages = 0
    @usableFromInline var mixedBytes = 0
    @usableFromInline let doorbell: UnsafeMutablePointer<UInt32>

    @usableFromInline let data: UnsafeMutableRawPointer
    @usableFromInline let shape: LaneShape
    /// Where the run began, or something before the tail.
    private var runPlace: UnsafeMutableRawPointer
    /// Of the messages that were last counted one by one.
    private var averageSize = 0
    /// What was sent before the run; its tail is the position of `runPlace`. And the bound that is told, or told next.
    private var counted: LaneAccount
    /// What observers were told last.
    private var told: LaneAccount
    /// The head that was last seen.
    private(set) var lastHead: UInt64
    @usableFromInline let control: UnsafeMutablePointer<sr_lane_control>
    /// The fork generation this belongs to.
    private let generation = sr_fork_generation()
    let usesAsymmetricBarrier: Bool
    /// Whether a commit is a store of the header and a look at the doorbell, and nothing else: no tickets, and the asymmetric barrier.
    @usableFromInline let isPlain: Bool
    /// The ring's ticket counter, where its lanes are in a total order.
    let tickets: UnsafeMutablePointer<UInt64>?

    /// The position after the last end of a stream that was unread when it was seen; another directly after it is left out.
    var positionAfterEnd: UInt64?
    let ring: String
    let lane: Int
    /// What takes the room away in a forked child.
    var gate = unsafe sr_fork_gate()
    /// Not 0: the canceller was used. Written by `CancelFlag` alone, from any thread.
    var cancelled: UInt32 = 0
    /// Set when the consumer's words can't be true; every later operation throws it.
    var poison: RingError?

    /// An address that is before every place, as differences wrap: -1. A forked child finds it in `room`.
    static let nowhere = UInt64.max
    @inlinable static var mixed: Int { -1 }
    /// Fewer messages of one size in a row than this are not worth being called a run.
    private static let shortestRun = 8
    /// How much room is opened at a time at most, beside that for a message: after so much, observers are told again.
    private static let longestStretch = 1 << 16

    /// Takes a lane over where its last producer left it: walks the committed records from head to the first absent one.
    ///
    /// The caller holds the lane's byte, so nobody else writes; the consumer may be reading. `data` is the double mapping.
    /// Throws `poisoned` if the walk meets what no producer writes. O(records in the lane).
    init(
        data: UnsafeMutableRawPointer, shape: LaneShape, control: UnsafeMutablePointer<sr_lane_control>,
        doorbell: UnsafeMutablePointer<UInt32>, tickets: UnsafeMutablePointer<UInt64>?, usesAsymmetricBarrier: Bool,
        ring: String, lane: Int
    ) throws(RingError) {
        unsafe self.data = data
        self.shape = shape
        unsafe self.control = control
        unsafe self.doorbell = doorbell
        unsafe self.tickets = tickets
        self.usesAsymmetricBarrier = usesAsymmetricBarrier
        isPlain = unsafe usesAsymmetricBarrier && tickets == nil
        self.ring = ring
        self.lane = lane
        // SAFETY: `control` lies in the control mapping; every position is masked and every count checked before use, so
        // all reads stay inside the double mapping.
        // SYNC: space-given (pairs with LaneReader.storeHead)
        let head = unsafe sr_load_acquire_u64(sr_head(control))
        lastHead = head
        // Until the end of this all that is stored stands for nothing; the compiler wants it before the first throw.
        unsafe place = data
        unsafe runPlace = data
        runSpacing = Int(shape.spacing(0))
        counted = unsafe LaneAccount(control)
        told = counted
        guard shape.isAligned(head) else {
            throw Self.impossible(ring, lane, "its head is \(head), no multiple of its record alignment \(shape.alignment)")
        }
        var walk = RecordWalk(shape, fromHead: head)
        walk: while true {
            // SYNC: record-visible (pairs with `storeHeader` of the producer before)
            switch walk.next({ position in unsafe Self.header(at: position, data, shape) }) {
            case .message: positionAfterEnd = nil
            case .end: positionAfterEnd = walk.position
            case .absent: break walk
            case .malformed(let position, let bits):
                throw Self.impossible(ring, lane, "the record header at position \(position) is 0x\(String(bits, radix: 16))")
            case .beyondCapacity(_, let end):
                throw Self.impossible(ring, lane, "its records reach from \(head) to \(end), further than its capacity \(shape.capacity)")
            }
        }
        let tail = walk.position
        // What those before had sent since the last account. One that is a stranger's, or of a client that keeps none, may lead
        // elsewhere; then its counts stand as they are.
        var inherited = counted
        inherited.countOn(shape) { position in unsafe Self.header(at: position, data, shape) }
        if inherited.tail == tail { counted = inherited }
        counted.tail = tail
        unsafe place = self.place(at: tail)
        unsafe runPlace = place
        unsafe open(for: 0, at: place)
    }

    @unsafe
    private static func header(at position: UInt64, _ data: UnsafeMutableRawPointer, _ shape: LaneShape) -> RecordHeader {
        unsafe RecordHeader(bits: sr_load_acquire_u64(data + Int(position & shape.mask)))
    }

    private static func impossible(_ ring: String, _ lane: Int, _ what: String) -> RingError {
        RingError(.poisoned, ring: ring, "lane \(lane) was corrupted by another process: \(what)")
    }

    // MARK: Room

    /// The position of the next record.
    var tail: UInt64 { unsafe counted.tail &+ UInt64(bitPattern: Int64(place - runPlace)) }

    /// The position of a place that is the next record's, or one behind that which is not committed.
    func position(of place: UnsafeMutableRawPointer) -> UInt64 {
        unsafe tail &+ UInt64(bitPattern: Int64(place - self.place)) & shape.mask
    }

    /// What is left there by the head that was last seen, negative if it is less than nothing. One alignment beyond a record is for the
    /// terminator, one so that closing never waits. The difference wraps properly near 2^64, where a comparison of sums would not.
    private func left(at position: UInt64) -> Int {
        Int(bitPattern: UInt(lastHead &+ shape.capacity &- overhead &- position))
    }

    /// What a record takes at most beside its message: header, ticket, gap, terminator, and the end of the stream.
    private var overhead: UInt64 { 2 &* shape.alignment &+ UInt64(truncatingIfNeeded: shape.messageOffset) }

    /// From now on nothing fits.
    mutating func takeRoomAway() { unsafe sr_store_relaxed_u64(&room, Self.nowhere) }

    /// Has messages fit in the short way, as long as they fit before this address, and the canceller is not used.
    ///
    /// SYNC: cancel-seen (pairs with CancelFlag.raise): the room before, the flag after. The canceller stores the flag, passes a membarrier, which
    /// runs a full barrier on this core, and takes the room away. So it stores last, or the flag is seen here.
    private mutating func setRoom(_ end: UInt64) {
        unsafe sr_store_relaxed_u64(&room, end)
        sr_fence_compiler()
        if unsafe sr_load_relaxed_u32(&cancelled) != 0 { takeRoomAway() }
    }

    /// Looks at the consumer's head. Throws `poisoned`, `forked`.
    mutating func look() throws(RingError) {
        try requireUsable()
        // SAFETY: `control` lies in the control mapping, which the attachment keeps.
        // SYNC: space-given (pairs with LaneReader.storeHead): what the consumer read there, it has finished reading.
        let head = unsafe sr_load_acquire_u64(sr_head(control))
        let tail = tail
        guard head & (shape.alignment &- 1) == 0, head &- lastHead <= tail &- lastHead else {
            let error = Self.impossible(
                ring, lane, "its head is \(head), which lies not between the last head \(lastHead) and the tail \(tail)")
            poison = error
            takeRoomAway()  // so every operation comes here, and throws
            throw error
        }
        lastHead = head
        unsafe sr_note_backlog(control, tail &- head)
    }

    /// From now on every operation throws this.
    mutating func refuse(_ error: RingError) {
        takeRoomAway()
        poison = error
    }

    mutating func requireUsable() throws(RingError) {
        // First: a child may have a writer that its parent had handed over, and that refuses with another error.
        guard generation == sr_fork_generation() else {
            throw RingError(.forked, ring: ring, "this endpoint belongs to the parent of this forked process")
        }
        if let poison { throw poison }
    }

    /// Whether a message of `byteCount` fits at the tail, if need be after a look at the consumer's head.
    ///
    /// False: no room; that is not poison. Throws `poisoned`, `forked`, `messageTooLarge`.
    mutating func makeRoom(for byteCount: Int) throws(RingError) -> Bool {
        var place = unsafe place
        return try unsafe makeRoom(for: byteCount, at: &place)
    }

    /// The same at the place of a batch's next record. That place may be moved to the first mapping, as `place` may.
    @unsafe
    mutating func makeRoom(for byteCount: Int, at start: inout UnsafeMutableRawPointer) throws(RingError) -> Bool {
        try requireUsable()
        guard (0...shape.largestMessage).contains(byteCount) else {
            throw RingError(
                .messageTooLarge, ring: ring,
                "a message of \(byteCount) bytes was given; the largest is \(shape.largestMessage), by the ring's capacity")
        }
        let position = unsafe position(of: start)
        moveToFirstMapping()
        unsafe start = place(at: position)
        // A lane that is not plain comes here with each message, mostly with room that is open already: what keeps to the bound that was
        // told, which lies no further from the head than the capacity.
        if !isPlain && byteCount <= Int(bitPattern: UInt(told.bound &- overhead &- position)) { return true }
        if byteCount > left(at: position) { try look() }
        unsafe open(for: byteCount, at: start)
        return byteCount <= left(at: position)
    }

    /// `makeRoom`, and if there is none, that is counted.
    @usableFromInline
    @inline(never)
    @unsafe
    mutating func makeRoomOrCount(for byteCount: Int, at start: inout UnsafeMutableRawPointer) throws(RingError) -> Bool {
        if try unsafe makeRoom(for: byteCount, at: &start) { return true }
        unsafe sr_count_full(control)
        return false
    }

    /// The same at the tail.
    mutating func makeRoomOrCount(for byteCount: Int) throws(RingError) -> Bool {
        var place = unsafe place
        return try unsafe makeRoomOrCount(for: byteCount, at: &place)
    }

    /// Where a message of `byteCount` bytes goes; nil if there is no room, which is counted, or if a task waits for what room comes.
    @usableFromInline
    @inline(never)
    mutating func makeSlot(for byteCount: Int) throws(RingError) -> Slot? {
        if isAwaited { return nil }
        return try makeRoomOrCount(for: byteCount) ? Slot(self) : nil
    }

    /// Whether a task waits on this lane, whose room is its own then.
    private var isAwaited: Bool { poison?.code == .alreadyWaiting && generation == sr_fork_generation() }

    /// `makeRoomOrCount` for who does not wait: also false while a task waits.
    @usableFromInline
    @inline(never)
    @unsafe
    mutating func makeRoomNow(for byteCount: Int, at start: inout UnsafeMutableRawPointer) throws(RingError) -> Bool {
        if isAwaited { return false }
        return try unsafe makeRoomOrCount(for: byteCount, at: &start)
    }

    /// Opens the room at a place in the first mapping, and tells observers: what is left there, but no more than this message needs and
    /// `longestStretch` or an eighth of the lane. So a place never leaves the double mapping, and observers are told before much more is sent.
    /// The place may be a batch's, ahead of the tail: what is told of is the tail, and the bound holds for what is not committed, too.
    @unsafe
    private mutating func open(for byteCount: Int, at start: UnsafeMutableRawPointer) {
        let position = unsafe position(of: start)
        // Beside the message, since of a claim there may be little committed: then the next one is to fit, too.
        let run = min(byteCount &+ min(Self.longestStretch, Int(shape.capacity / 8)), shape.largestMessage)
        let length = Int64(min(left(at: position), run))
        let limit = position &+ UInt64(bitPattern: length)
        // Never back: below the last bound something may be written that was not committed, by a predecessor that was killed, too. What
        // is told at first may be a stranger's; a bound lies no further from the head than the capacity.
        let (last, bound) = (counted.bound &- lastHead, limit &+ overhead)
        if last > shape.capacity || last < bound &- lastHead { counted.bound = bound }
        tell()
        tryRun()
        guard isPlain else { return takeRoomAway() }
        // A dropped batch leaves the tail far before `start`: there, too, nothing fits that is larger than any message.
        let most = unsafe UInt64(UInt(bitPattern: place)) &+ UInt64(truncatingIfNeeded: shape.largestMessage)
        setRoom(min(UInt64(UInt(bitPattern: start)) &+ UInt64(bitPattern: length), most))
    }

    /// The next record's place, where it may stand in the second mapping, in the first one. `room` is another then: `open` follows.
    private mutating func moveToFirstMapping() {
        settle()
        unsafe place = place(at: counted.tail)
        unsafe runPlace = place
    }

    /// Whether the consumer has acknowledged everything.
    mutating func isAcknowledged() throws(RingError) -> Bool {
        try look()
        return lastHead == tail
    }

    /// How large a message may be to fit now, looking at the consumer's head; 0 if poisoned.
    mutating func freeBytes() -> Int {
        guard (try? look()) != nil else { return 0 }
        return max(0, min(left(at: tail), shape.largestMessage))
    }

    // MARK: Counting

    /// Counts a message that is being committed, or leaves that to the end of its run. What its record takes.
    @inlinable
    @inline(__always)
    mutating func count(_ byteCount: Int) -> Int {
        if _fastPath(byteCount == runSize) { return runSpacing }
        if runSize != Self.mixed { endRun(byteCount) }
        if runSize != Self.mixed { return runSpacing }
        mixedMessages &+= 1
        mixedBytes &+= byteCount
        return Int(truncatingIfNeeded: shape.spacing(byteCount))
    }

    /// Another begins, with messages of `byteCount`; or none, if this one was none to speak of.
    @usableFromInline
    @inline(never)
    mutating func endRun(_ byteCount: Int) {
        let before = counted.messages
        settle()
        setRun(counted.messages &- before >= Self.shortestRun ? byteCount : Self.mixed)
    }

    private mutating func setRun(_ byteCount: Int) {
        runSize = byteCount
        runSpacing = Int(truncatingIfNeeded: shape.spacing(byteCount))
    }

    /// Where messages are counted one by one, it is tried now and then whether they are a run by now.
    private mutating func tryRun() { if runSize == Self.mixed { setRun(averageSize) } }

    /// Counts the messages since the last time. Of a run all are of one size, so how far they reach says how many they are.
    private mutating func settle() {
        let length = unsafe place - runPlace
        if length == 0 { return }
        if runSize == Self.mixed {
            averageSize = mixedBytes / max(1, mixedMessages)
            counted.messages &+= UInt64(truncatingIfNeeded: mixedMessages)
            counted.byteCount &+= UInt64(truncatingIfNeeded: mixedBytes)
            (mixedMessages, mixedBytes) = (0, 0)
        } else {
            let count = UInt64(truncatingIfNeeded: length == runSpacing ? 1 : length / runSpacing)
            counted.messages &+= count
            counted.byteCount &+= count &* UInt64(truncatingIfNeeded: runSize)
        }
        counted.tail &+= UInt64(truncatingIfNeeded: length)
        unsafe runPlace = place
    }

    /// Tells observers what was sent until now, and the bound, if either is news. Only while this side holds the lane's byte.
    mutating func tell() {
        settle()
        if counted == told { return }
        told = counted
        unsafe told.tell(in: control)
    }

    /// Counts what stands between the tail and a place, and makes that the tail: messages of a batch, or the end of a stream.
    @usableFromInline
    @inline(never)
    @unsafe
    mutating func book(messages: Int, byteCount: Int, to next: UnsafeMutableRawPointer) {
        let position = unsafe position(of: next)
        settle()
        counted.messages &+= UInt64(messages)
        counted.byteCount &+= UInt64(byteCount)
        counted.tail = position
        unsafe place = next
        unsafe runPlace = next
    }

    // MARK: Committing

    /// Where the header of a record at `position` stands.
    @inlinable
    func place(at position: UInt64) -> UnsafeMutableRawPointer {
        // SAFETY: the masked position lies in the first mapping, and a record that fits ends in the second.
        unsafe data + Int(truncatingIfNeeded: position & shape.mask)
    }

    /// Asks for a line that will be written soon. The consumer has read it a lap ago, so it must come from there: where that takes long,
    /// more of them are on their way at a time than the processor's store buffer, full of small stores, would ask for.
    @inlinable
    @inline(__always)
    static func prefetch(_ place: UnsafeMutableRawPointer) {
        // SAFETY: nothing is read or written, and no address faults.
        unsafe sr_prefetch_to_write(place + 1024)
    }

    /// Where a message goes for which there is room.
    @frozen
    @usableFromInline
    @safe
    struct Slot {
        /// Where the header goes.
        @usableFromInline let place: UnsafeMutableRawPointer
        /// Where the message goes.
        @usableFromInline let payload: UnsafeMutableRawPointer
        @usableFromInline let isPlain: Bool

        /// In the short way, which `isReady` has found open.
        @inlinable
        @inline(__always)
        init(ready writer: borrowing LaneWriter) {
            // SAFETY: a record that fits ends inside the double mapping.
            unsafe place = writer.place
            unsafe LaneWriter.prefetch(place)
            unsafe payload = place + 8  // SR_RECORD_HEADER_SIZE: a plain lane has no tickets
            isPlain = true
        }

        /// In any lane, where `makeRoom` has found room.
        @usableFromInline
        init(_ writer: borrowing LaneWriter) {
            // SAFETY: as above.
            unsafe place = writer.place
            unsafe payload = place + writer.shape.messageOffset
            isPlain = writer.isPlain
        }
    }

    /// Writes the payload of a record.
    @inlinable
    @inline(__always)
    static func copy(_ bytes: RawSpan, to payload: UnsafeMutableRawPointer) {
        // SAFETY: a record that fits ends inside the double mapping; the span is as long as it says.
        unsafe bytes.withUnsafeBytes { source in
            guard let start = source.baseAddress else { return }
            unsafe sr_copy(payload, start, Int64(source.count))
        }
    }

    /// Writes the bytes of a collection: without a copy in between if they lie in one piece, else one by one. How many were written: `count`,
    /// or fewer if the collection had not as many as it said.
    @inlinable
    static func copy(_ bytes: some Collection<UInt8>, count: Int, to payload: UnsafeMutableRawPointer) -> Int {
        // SAFETY: there is room for `count` bytes, and no more are written.
        let copied = bytes.withContiguousStorageIfAvailable { source in
            guard let start = source.baseAddress else { return 0 }
            let most = min(count, source.count)
            unsafe sr_copy(payload, start, Int64(most))
            return most
        }
        if let copied { return copied }
        var written = 0
        for byte in bytes {
            guard written < count else { break }
            unsafe payload.storeBytes(of: byte, toByteOffset: written, as: UInt8.self)
            written &+= 1
        }
        return written
    }

    /// Makes the record in the slot exist. Its payload is written, and `byteCount` is what there was room for, or less.
    @inlinable
    @inline(__always)
    mutating func commit(_ slot: Slot, byteCount: Int, tag: UInt32) {
        let spacing = count(byteCount)
        // As the lane is mapped twice, it goes on there.
        let next = unsafe slot.place + spacing
        unsafe Self.terminate(next)
        if _slowPath(!slot.isPlain) { return unsafe publishOtherwise(byteCount: byteCount, tag: tag, next: next) }
        // Loaded before the header is stored: behind a store to the segment the compiler loads everything anew.
        let doorbell = unsafe doorbell
        unsafe place = next
        // SAFETY: the place lies in the data mapping, the doorbell in the control mapping.
        // SYNC: record-visible (pairs with LaneReader.poll and the walk in `init`): payload and terminator come before.
        unsafe sr_store_release_u64(slot.place, RecordHeader(byteCount: byteCount, tag: tag).bits)
        // SYNC: doorbell, as in `ringDoorbell`, whose asymmetric kind this is.
        sr_fence_compiler()
        if unsafe _slowPath(sr_load_relaxed_u32(doorbell) != 0) { wakeConsumer() }
    }

    /// What comes next is not there yet: without this, the last lap's payload would be read as a header.
    @inlinable
    @inline(__always)
    static func terminate(_ place: UnsafeMutableRawPointer) {
        // SAFETY: `left` keeps an alignment, at least 8 bytes, free behind every record.
        // Relaxed: the header's release store, which follows, makes it visible together with the record.
        unsafe sr_store_relaxed_u64(place, 0)
    }

    /// The rest of `commit` where it takes a ticket, or a barrier of its own.
    @usableFromInline
    @inline(never)
    @unsafe
    mutating func publishOtherwise(byteCount: Int, tag: UInt32, next: UnsafeMutableRawPointer) {
        let (start, position) = unsafe (place, tail)
        unsafe place = next
        unsafe publish(shape.header(byteCount: byteCount, tag: tag), at: start, position, count: 1)
    }

    /// Commits the records from the tail to `next`, whose headers but for the first are written, and 0 behind them.
    @usableFromInline
    @inline(never)
    @unsafe
    mutating func publish(batch header: RecordHeader, to next: UnsafeMutableRawPointer, count: Int, byteCount: Int) {
        let (start, position) = unsafe (place, tail)
        unsafe book(messages: count, byteCount: byteCount, to: next)
        unsafe publish(header, at: start, position, count: count)
    }

    // `mutating`, like what else is called for every batch or slot: of a value that is only borrowed the compiler may make a copy.
    /// Stores the header of the record at `position`, which stands at `start`: that commits it, and what follows it up to the tail.
    @unsafe
    private mutating func publish(_ header: RecordHeader, at start: UnsafeMutableRawPointer, _ position: UInt64, count: Int) {
        if unsafe tickets != nil {
            publishInTotalOrder(header, at: position, count: count)
        } else {
            unsafe Self.storeHeader(header, at: start)
            ringDoorbell()
        }
    }

    @unsafe
    static func storeHeader(_ header: RecordHeader, at place: UnsafeMutableRawPointer) {
        // SAFETY, SYNC: as in `commit`.
        unsafe sr_store_release_u64(place, header.bits)
    }

    /// The end of a stream, unless one stands directly before. There is always room: see `left`.
    mutating func commitEnd(epoch: UInt32) {
        guard positionAfterEnd != tail else { return }
        moveToFirstMapping()
        let start = unsafe place
        let next = unsafe start + Int(shape.spacingOfEnd)
        unsafe Self.terminate(next)
        unsafe book(messages: 0, byteCount: 0, to: next)
        unsafe Self.storeHeader(.end(epoch: epoch), at: start)  // without a ticket: it ends a lane, and has no place between others
        ringDoorbell()
        positionAfterEnd = tail
    }

    // MARK: Waking the consumer

    /// After every commit: if the consumer sleeps, wake it.
    mutating func ringDoorbell() {
        // SYNC: doorbell (pairs with Sleeper.declareAsleep): the header before, the doorbell after. The consumer stores the
        // doorbell before and looks at the header after, so one of the two sees the other.
        if usesAsymmetricBarrier {
            // The consumer's membarrier runs a full barrier on this core, wherever this code is just then.
            sr_fence_compiler()
        } else {
            sr_fence_full()
        }
        // SAFETY: the doorbell lies in the control mapping. Relaxed: it orders nothing by itself.
        if unsafe sr_load_relaxed_u32(doorbell) != 0 { wakeConsumer() }
    }

    @usableFromInline
    @inline(never)
    mutating func wakeConsumer() {
        // SAFETY: the doorbell and the counter lie in the control mapping.
        unsafe Doorbell.wake(doorbell)
        unsafe sr_count_wake(control)
    }
}

extension UnsafeMutablePointer where Pointee == LaneWriter {
    /// Whether a message of `byteCount` bytes fits at `place` in the short way.
    ///
    /// The difference is negative if not even an empty message fits. (Up to the next multiple of the alignment there is room besides.)
    /// Counts above `largestMessage` never fit; negative ones are the caller's to see to.
    @inlinable
    @inline(__always)
    func fits(_ byteCount: Int, at place: UnsafeMutableRawPointer) -> Bool {
        // Relaxed: what a canceller stored is seen soon, and orders nothing.
        unsafe byteCount <= Int(truncatingIfNeeded: sr_load_relaxed_u64(&pointee.room) &- UInt64(UInt(bitPattern: place)))
    }

    /// The fast path of every way of sending: room, still the process that attached, not cancelled, and nothing to do but to store.
    @inlinable
    @inline(__always)
    func isReady(for byteCount: Int) -> Bool { unsafe fits(byteCount, at: pointee.place) }
}
