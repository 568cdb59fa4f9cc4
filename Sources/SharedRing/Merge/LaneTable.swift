import CSharedRing

/// What a merging consumer reads of its lanes at every look, in one piece of memory.
///
/// A table and not an array of objects: reference counts and exclusivity checks would cost more than the look itself.
@safe
struct LaneTable: ~Copyable {
    @safe
    struct Row {
        /// The lane's protocol state, at a fixed address.
        let reader: UnsafeMutablePointer<LaneReader>
        /// Total order: the lane's ticket floor.
        let floor: UnsafeMutablePointer<UInt64>
        /// Set once the lane was poisoned and that was reported: it is passed over from then on.
        var isAbandoned = false
        /// The drain that came to this lane last, by its number, and where the lane's head was then.
        var drain: UInt = 0
        var drainStart: UInt64 = 0
    }

    // SAFETY, for the whole type: there is room for every lane of the ring, one row each; what lies below `count` is initialised.

    let rows: UnsafeMutablePointer<Row>
    /// Where the header stands that each lane waits for. By themselves, so that a look at idle lanes touches little memory;
    /// brought up to date when the cursor leaves a lane.
    let cursors: UnsafeMutablePointer<UnsafeRawPointer>
    private(set) var count = 0
    /// Which lanes of the ring are among them: a copy of the segment's bitmap.
    let known: UnsafeMutableBufferPointer<UInt64>
    /// The lane in hand.
    var current: Int?
    /// The number of the drain that is under way, or was last. While one is, each lane is taken from for a lap at most.
    var drain: UInt = 0
    var isDraining = false

    // Total order.
    /// How often nothing was due.
    var fruitlessLooks: UInt = 0
    /// Every ticket below it is visible, and no smaller one can turn up.
    var bound: UInt64 = 0
    /// Every ticket below it was drawn: the ring's counter, as it was loaded last.
    var drawn: UInt64 = 0
    /// The ticket that was found last, to be handed out. Every smaller one was handed out, or never will be, or stands before it in the lane in hand.
    /// Nil: none was found yet.
    var lastTicket: UInt64?
    /// In a drain: every message that was sent before it began has a smaller ticket.
    var drainEnd = UInt64.max
    /// What may be handed out now, beside the lane in hand.
    var ready: TicketHeap

    init(laneCount: Int) {
        unsafe rows = .allocate(capacity: laneCount)
        unsafe cursors = .allocate(capacity: laneCount)
        unsafe known = .allocate(capacity: (laneCount + 63) / 64)
        unsafe known.initialize(repeating: 0)
        ready = TicketHeap(laneCount: laneCount)
    }

    deinit {
        unsafe rows.deallocate()
        unsafe cursors.deallocate()
        unsafe known.deallocate()
    }

    mutating func append(_ lane: MergedLane) {
        unsafe (rows + count).initialize(to: Row(reader: lane.reader, floor: sr_ticket_floor(lane.control)))
        unsafe (cursors + count).initialize(to: lane.reader.pointee.cursor)
        count += 1
    }

    /// Where the drain under way began in this lane: here, if it has not come to it yet.
    mutating func drainStart(of index: Int) -> UInt64 {
        if unsafe rows[index].drain != drain {
            unsafe rows[index].drain = drain
            unsafe rows[index].drainStart = rows[index].reader.pointee.head
        }
        return unsafe rows[index].drainStart
    }

    /// Whether the drain under way has taken a lap from this lane: all that stood there when it came.
    func isDrained(_ index: Int) -> Bool {
        guard isDraining, unsafe rows[index].drain == drain else { return false }
        return unsafe rows[index].reader.pointee.isLap(from: rows[index].drainStart)
    }

    /// Whether something stands at the lane's head.
    ///
    /// Relaxed: this only says where to look.
    @inline(__always)
    func isAnything(at index: Int) -> Bool { unsafe sr_load_relaxed_u64(cursors[index]) != 0 }

    /// Whether something stands at any lane's head.
    func isAnythingThere() -> Bool { isAnything(in: 0..<count) }

    /// Whether something stands at the head of any lane but this one. Begins behind it, where the next visit goes: with many busy lanes the
    /// first look finds something.
    func isAnythingThere(besides index: Int) -> Bool { isAnything(in: index + 1..<count) || isAnything(in: 0..<index) }

    private func isAnything(in lanes: Range<Int>) -> Bool {
        for index in lanes where isAnything(at: index) { return true }
        return false
    }
}
