import CSharedRing

/// The slots of a broadcast's subscribers, as its publisher sees them: the heads that hold it back, and the subscribers they belong to.
///
/// Every word of a slot is another process's. A head that is no record boundary, or lies outside what the publisher still keeps, holds nothing back. A
/// slot is no more than that: no value in it is an error.
@safe
final class SubscriberHeads: @unchecked Sendable {
    private let control: UnsafeMutablePointer<sr_broadcast_control>
    private let shape: LaneShape
    let slotCount: Int
    /// The publisher's own description. Through it the byte of a dead subscriber is taken for a moment.
    private let lock: RoleLock
    /// How often a publisher that finds no room looks for dead subscribers, in nanoseconds.
    private let checkInterval: Int64
    private var nextCheck: Int64 = 0
    /// How long a soft gate may hold this publisher up, in nanoseconds.
    private let patience: Int64
    /// Of each slot, the soft head for which this publisher found no room last.
    private var refusals: [Refusal?]

    /// A soft head for which there was no room.
    private struct Refusal {
        let head: UInt64
        /// When that was found out.
        let since: Int64
        /// Whether the patience is at an end: this head holds nothing back any more.
        var isIgnored = false
    }

    // SAFETY, for the whole class: all words lie in the control mapping, which the publisher's attachment keeps.

    init(
        _ control: UnsafeMutablePointer<sr_broadcast_control>, _ header: SegmentHeader, lock: RoleLock, checkInterval: Int64,
        patience: Int64
    ) {
        unsafe self.control = control
        shape = LaneShape(header)
        slotCount = header.slotCount
        self.lock = lock
        self.checkInterval = checkInterval
        self.patience = patience
        refusals = Array(repeating: nil, count: header.slotCount)
    }

    /// Calls the body with each slot that was ever used.
    private func forEachSlot(_ body: (_ slot: Int, UnsafeMutablePointer<sr_subscriber_control>) -> Void) {
        for first in stride(from: 0, to: slotCount, by: 64) {
            // SYNC: slot-in-use (pairs with SubscriberSlot.init)
            var used = unsafe sr_load_acquire_u64(sr_slots_used(control, UInt32(first)))
            // An untrusted peer's bits for slots that are not there count for nothing.
            if slotCount - first < 64 { used &= (1 << UInt64(slotCount - first)) - 1 }
            while used != 0 {
                let slot = first + used.trailingZeroBitCount
                used &= used &- 1
                unsafe body(slot, sr_subscriber(control, UInt32(slot)))
            }
        }
    }

    /// Whether a head protects something: it lies between what may be written over already and the tail.
    ///
    /// `open`: the publisher's private limit, less the capacity. The limit decides, and never the write limit that is published: that one may lie further
    /// than the capacity beyond the head of a subscriber that has just joined.
    private func isValid(_ head: UInt64, open: UInt64, tail: UInt64) -> Bool {
        shape.isAligned(head) && head &- open <= tail &- open
    }

    /// The head that holds the publisher back most. Nil: none does.
    func slowest(open: UInt64, tail: UInt64) -> UInt64? { slowestSlot(open: open, tail: tail)?.head }

    /// The same, with its slot.
    func slowestSlot(open: UInt64, tail: UInt64) -> (slot: Int, head: UInt64)? {
        var slowest: (slot: Int, head: UInt64)?
        unsafe forEachSlot { slot, words in
            // SYNC: space-given (pairs with LaneReader.storeHead): what the subscriber read there, it has finished reading.
            // SYNC: join (pairs with SubscriberSlot.join): the second look of LaneWriter.extend, behind its barrier.
            let head = unsafe sr_load_acquire_u64(sr_subscriber_head(words))
            guard isValid(head, open: open, tail: tail), unsafe !isIgnored(head, slot, words) else { return }
            if let known = slowest, head &- open >= known.head &- open { return }
            slowest = (slot, head)
        }
        return slowest
    }

    // MARK: Soft gates

    private func isSoft(_ words: UnsafeMutablePointer<sr_subscriber_control>) -> Bool {
        // SYNC: soft-gate (pairs with SubscriberSlot.enterSoftly and .takeName): behind the head's load.
        unsafe sr_load_acquire_u32(sr_subscriber_soft(words)) == 1
    }

    private func isIgnored(_ head: UInt64, _ slot: Int, _ words: UnsafeMutablePointer<sr_subscriber_control>) -> Bool {
        guard let refusal = refusals[slot], refusal.isIgnored, refusal.head == head else { return false }
        return unsafe isSoft(words)
    }

    /// There is no room: has soft heads before a position hold nothing back any more, if they did so for as long as this publisher has patience. A head
    /// that has moved begins anew.
    ///
    /// What such a head protected is written over then, and so its subscriber counts it as missed. It needs no notice: it judges each copy anyway.
    ///
    /// - Returns: whether there was one.
    private func passOver(before position: UInt64, open: UInt64, tail: UInt64, at now: Int64) -> Bool {
        var isAnyIgnored = false
        unsafe forEachSlot { slot, words in
            // SYNC: space-given (pairs with SubscriberSlot.storeSoftHead)
            let head = unsafe sr_load_acquire_u64(sr_subscriber_head(words))
            guard isValid(head, open: open, tail: tail), head &- open < position &- open, unsafe isSoft(words) else { return }
            var refusal = refusals[slot].flatMap { $0.head == head ? $0 : nil } ?? Refusal(head: head, since: now)
            if !refusal.isIgnored, now &- refusal.since >= patience {
                refusal.isIgnored = true
                isAnyIgnored = true
            }
            refusals[slot] = refusal
        }
        return isAnyIgnored
    }

    // MARK: The dead

    /// Has dead subscribers hold nothing back any more: of the slots whose heads lie before a position, those whose byte is free.
    ///
    /// Only under the byte: a subscriber that has just taken it would lose its head otherwise. The epoch stays odd, which says that the subscriber died. Two
    /// system calls a slot that holds the publisher back.
    ///
    /// Soft gates are passed over as well, if their time has come.
    ///
    /// - Returns: whether there was one.
    func clearDead(before position: UInt64, open: UInt64, tail: UInt64) -> Bool {
        var isAnyCleared = passOver(before: position, open: open, tail: tail, at: sr_now_ns())
        unsafe forEachSlot { slot, words in
            let head = unsafe sr_load_acquire_u64(sr_subscriber_head(words))
            guard isValid(head, open: open, tail: tail), head &- open < position &- open else { return }
            let role = Role.subscriber(slot)
            // A durable one holds the publisher back also while it is not there.
            if unsafe Self.isDurable(words) { return }
            // A failing call is no proof of death.
            guard (try? lock.take(role)) == true else { return }
            defer { lock.unlock(role) }
            // Again, with the byte in hand: it may have come, become durable and died in between.
            if unsafe Self.isDurable(words) { return }
            // SYNC: space-given (pairs with SpaceGate.state): the byte orders this side after the one that died.
            if unsafe sr_load_relaxed_u64(sr_subscriber_head(words)) != sr_no_head() {
                unsafe sr_store_release_u64(sr_subscriber_head(words), sr_no_head())
                isAnyCleared = true
            }
        }
        return isAnyCleared
    }

    private static func isDurable(_ words: UnsafeMutablePointer<sr_subscriber_control>) -> Bool {
        // SYNC: durable (pairs with SubscriberSlot.makeDurable and .remove)
        unsafe sr_load_acquire_u32(sr_subscriber_durable(words)) == 1
    }

    /// `clearDead`, at most once a check interval: for a publisher that finds no room and does not wait.
    func clearDeadIfDue(before position: UInt64, open: UInt64, tail: UInt64) -> Bool {
        let now = sr_now_ns()
        guard now >= nextCheck else { return passOver(before: position, open: open, tail: tail, at: now) }
        nextCheck = now &+ checkInterval
        return clearDead(before: position, open: open, tail: tail)
    }

    // MARK: Who is there

    /// How many subscribers have joined, and have neither left nor been found dead.
    var joinedCount: Int {
        var count = 0
        unsafe forEachSlot { _, words in if unsafe Self.hasJoined(words) { count += 1 } }
        return count
    }

    /// How many subscribers have joined and are attached now. A system call a subscriber.
    var attachedCount: Int {
        var count = 0
        unsafe forEachSlot { slot, words in
            if unsafe Self.hasJoined(words), (try? lock.holder(of: .subscriber(slot))) != .free { count += 1 }
        }
        return count
    }

    private static func hasJoined(_ words: UnsafeMutablePointer<sr_subscriber_control>) -> Bool {
        // SYNC: epoch, joined (pair with SubscriberSlot.join and ConsumerRole.init): the epoch is stored last.
        unsafe sr_load_acquire_u32(sr_subscriber_epoch(words)) & 1 == 1 && sr_load_acquire_u32(sr_subscriber_joined(words)) != 0
            && sr_load_acquire_u64(sr_subscriber_head(words)) != sr_no_head()
    }

    /// Whether any subscriber's byte is held, in whatever process. One system call.
    var isAnyAttached: Bool { (try? lock.isAnySubscriberHeld(of: slotCount)) ?? true }
}
