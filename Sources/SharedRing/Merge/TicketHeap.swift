/// The lanes whose next message may be handed out, by ticket: the smallest on top. A binary heap of fixed capacity.
@safe
struct TicketHeap: ~Copyable {
    struct Entry {
        var ticket: UInt64
        var lane: Int
    }

    private let entries: UnsafeMutableBufferPointer<Entry>
    private(set) var count = 0

    /// Never holds more than one entry a lane.
    init(laneCount: Int) {
        unsafe entries = .allocate(capacity: laneCount)
    }

    deinit { unsafe entries.deallocate() }

    // SAFETY, for all: every index is below `count`, which never exceeds the capacity, and those entries are initialised.

    /// O(log lanes).
    mutating func push(_ entry: Entry) {
        unsafe precondition(count < entries.count)
        var hole = count
        count += 1
        while hole > 0 {
            let parent = (hole - 1) / 2
            if unsafe entries[parent].ticket <= entry.ticket { break }
            unsafe entries.initializeElement(at: hole, to: entries[parent])
            hole = parent
        }
        unsafe entries.initializeElement(at: hole, to: entry)
    }

    /// O(log lanes).
    mutating func pop() -> Entry? {
        guard count > 0 else { return nil }
        let top = unsafe entries[0]
        count -= 1
        let last = unsafe entries[count]
        var hole = 0
        while true {
            var child = 2 * hole + 1
            if child >= count { break }
            if child + 1 < count, unsafe entries[child + 1].ticket < entries[child].ticket { child += 1 }
            if unsafe last.ticket <= entries[child].ticket { break }
            unsafe entries[hole] = entries[child]
            hole = child
        }
        if count > 0 { unsafe entries[hole] = last }
        return top
    }

    var smallestTicket: UInt64? { count > 0 ? unsafe entries[0].ticket : nil }

    mutating func removeAll() { count = 0 }
}
