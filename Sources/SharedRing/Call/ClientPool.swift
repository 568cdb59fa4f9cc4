import CSharedRing
import Synchronization

/// The slots of one client, and the callers that wait for one.
///
/// Invariants, under the lock:
/// - A slot is in `free` (quiet), in `open` (a call that was given up, or one that is no call of this client's), the spare one (quiet), or with a caller.
/// - While a waiter stands in the queue, `free` is empty, and no slot stays the spare one.
/// - The client has the byte of one slot at least: the service is not removed under it.
/// - Once the client was ended, `free`, `open` and the queue are empty, no slot stays the spare one, and the client has the bytes of its callers' slots only.
/// - At most `limit` slots are in use by calls of this client. Foreign ones are kept only until there is another.
@safe
final class ClientPool: @unchecked Sendable {
    private struct State {
        var free: [ClientSlot] = []
        var open: [ClientSlot] = []
        /// All that were taken, by their numbers.
        var all: [Int: ClientSlot] = [:]
        var waiters: [SlotWaiter] = []
        /// The service had no free slot when one was looked for last. It is not asked again before `nextScan`.
        var isServiceFull = false
        /// On the clock, in nanoseconds.
        var nextScan: Int64 = 0
        var isCancelled = false
        /// For good.
        var isEnded = false
    }

    let memory: CallMemory
    let limit: Int
    private let waiting: WaitStrategy
    private let checkInterval: Duration
    private let state: Guarded<State>
    /// How long a service that was full is not asked again, in nanoseconds: a look at 1,024 slots makes as many system calls.
    private let scanPause: Int64
    /// A quiet slot that callers take and give back without the lock, with a reference of its own.
    private let spare = unsafe Atomic<Unmanaged<ClientSlot>?>(nil)
    /// How many waiters stand in the queue, or `endedCount`. Stored under the lock.
    private let waiterCount = Atomic(0)
    /// The count of waiters of a client that was ended: `give` comes to the lock, as it does while there are waiters, and `takeNow` uses no spare slot.
    private static let endedCount = Int.max

    /// The attachment of `memory` holds the byte of its first slot. If that slot's last call is open and can't be settled, another slot is taken instead.
    init(_ memory: CallMemory, limit: Int, waiting: WaitStrategy, checkInterval: Duration) throws(RingError) {
        self.memory = memory
        self.limit = limit
        self.waiting = waiting
        self.checkInterval = checkInterval
        scanPause = min(checkInterval.wholeNanoseconds, 100_000_000)
        var state = State()
        if case .caller(let number) = memory.attachment.role {
            let first = ClientSlot(memory, number, waiting: waiting, checkInterval: checkInterval)
            state.all[number] = first
            if first.isForeign { state.open.append(first) } else { state.free.append(first) }
        }
        self.state = Guarded(state)
        try self.state.withLock { state throws(RingError) in
            if state.free.isEmpty, let slot = try takeElsewhere(&state) { state.free.append(slot) }
        }
    }

    deinit {
        guard !memory.attachment.isInherited else { return }
        // SYNC: spare-slot. The last reference: no other thread has the pool.
        unsafe spare.exchange(nil, ordering: .acquiring)?.release()
        for slot in state.withLock({ $0.all.values }) { slot.close() }
        memory.attachment.unlock()
    }

    // MARK: Taking a slot

    /// A slot that is quiet, or that gets quiet now; nil: there is none, or other callers wait for one. Perhaps system calls, if no slot is free.
    @inline(__always)
    func takeNow() throws(RingError) -> ClientSlot? {
        // The error is made elsewhere: here it would have the attachment's reference counted in every call.
        guard !memory.attachment.isInherited else { return try takeUnderLock() }
        // SYNC: spare-slot (pairs with `give`): what the slot's last caller did comes before.
        if let held = unsafe spare.exchange(nil, ordering: .acquiring) {
            let slot = unsafe held.takeRetainedValue()
            // Relaxed: a call that begins after `end` has returned sees what `end` stored. An earlier one is under way.
            if !slot.cancelFlag.isRaised, waiterCount.load(ordering: .relaxed) != Self.endedCount { return slot }
            giveUnderLock(slot)
        }
        return try takeUnderLock()
    }

    @inline(never)
    private func takeUnderLock() throws(RingError) -> ClientSlot? {
        try memory.attachment.requireOwnProcess()
        return try state.withLock { state throws(RingError) in
            try requireNotEnded(state)
            guard !state.isCancelled else { throw memory.attachment.error(.cancelled, "this client's calls were cancelled") }
            return try takeBeforeOthers(&state)
        }
    }

    private func requireNotEnded(_ state: State) throws(RingError) {
        if state.isEnded { throw memory.attachment.error(.ended, "this client was ended") }
    }

    /// A slot for a newcomer, unless others wait. Under the lock.
    private func takeBeforeOthers(_ state: inout State) throws(RingError) -> ClientSlot? {
        try requireNotEnded(state)
        guard state.waiters.isEmpty else { return nil }
        if let slot = state.free.popLast() { return slot }
        // SYNC: spare-slot (pairs with `give`)
        if let held = unsafe spare.exchange(nil, ordering: .acquiring) { return unsafe held.takeRetainedValue() }
        return try takeElsewhere(&state)
    }

    /// An open slot that is quiet now, or one more slot of the service. Under the lock.
    private func takeElsewhere(_ state: inout State) throws(RingError) -> ClientSlot? {
        if let index = state.open.firstIndex(where: { $0.isQuietNow() && !$0.isDamaged }) { return state.open.remove(at: index) }
        // What a predecessor left open is no call of this client.
        guard state.all.count - state.open.count(where: \.isForeign) < limit, let slot = try grow(&state) else { return nil }
        for other in state.open where other.isForeign { release(other, &state) }
        return slot
    }

    /// One more slot of the service, unless it had none a moment ago. O(slots), and a system call for each that looks free. Under the lock.
    private func grow(_ state: inout State) throws(RingError) -> ClientSlot? {
        guard sr_now_ns() >= state.nextScan else { return nil }
        // Quiet ones first: those that are open may be settled, if their servers have gone.
        for isOpenWanted in [false, true] {
            for number in 0..<memory.shape.slotCount where state.all[number] == nil && canBeTaken(number, open: isOpenWanted) {
                guard let slot = try lockAndSettle(number) else { continue }
                if state.isCancelled { slot.cancelFlag.raise() }
                state.all[number] = slot
                state.isServiceFull = false
                return slot
            }
        }
        state.isServiceFull = true
        state.nextScan = sr_now_ns() &+ scanPause
        return nil
    }

    /// Whether a slot that is another's, or free, looks as if it could be taken. It only says what to try.
    private func canBeTaken(_ number: Int, open isOpenWanted: Bool) -> Bool {
        switch memory.state(of: number) {
        case .quiet: !isOpenWanted
        case .pending, .started: isOpenWanted
        case .damaged: false
        }
    }

    /// Locks the byte of a slot, and settles its last call. Nil: it is taken, or its last call stays open; then its byte is given back.
    private func lockAndSettle(_ number: Int) throws(RingError) -> ClientSlot? {
        do throws(SystemFailure) {
            guard try memory.attachment.lock.take(.caller(number)) else { return nil }
        } catch {
            throw memory.attachment.error(.system, errno: error.errno, "the byte of slot \(number) can't be locked")
        }
        // Before this client signs in: what another client left open stays as it is, with that client's name.
        let canBeSettled =
            switch memory.state(of: number) {
            case .quiet, .pending: true
            case .started(let who): memory.isGone(who)
            case .damaged: false
            }
        if canBeSettled {
            let slot = ClientSlot(memory, number, waiting: waiting, checkInterval: checkInterval)
            if !slot.isForeign { return slot }
            slot.close()
        }
        memory.attachment.lock.unlock(.caller(number))
        return nil
    }

    /// Gives the byte of a slot back, which no caller has. There is another, or the client was ended. Under the lock.
    private func release(_ slot: ClientSlot, _ state: inout State) {
        state.open.removeAll { $0 === slot }
        state.all[slot.number] = nil
        slot.close()
        memory.attachment.lock.unlock(.caller(slot.number))
    }

    /// A caller is done with its slot, and gives its reference with it.
    @inline(__always)
    func give(_ held: Unmanaged<ClientSlot>) {
        guard !memory.attachment.isInherited else { return }
        // Relaxed: it is looked at again, behind the exchange.
        if unsafe !held._withUnsafeGuaranteedRef(\.isOpen), waiterCount.load(ordering: .relaxed) == 0,
            // SYNC: spare-slot (pairs with `takeNow`, `lineUp` and `end`): what this caller did before; the look at the count after.
            unsafe spare.compareExchange(expected: nil, desired: held, ordering: .sequentiallyConsistent).exchanged
        {
            if waiterCount.load(ordering: .sequentiallyConsistent) == 0 { return }
            giveSpare()
        } else {
            unsafe giveUnderLock(held.takeRetainedValue())
        }
    }

    /// A caller has lined up, or the client was ended: that side may have looked for the spare slot too early.
    @inline(never)
    private func giveSpare() {
        // SYNC: spare-slot (pairs with `give`)
        if let held = unsafe spare.exchange(nil, ordering: .acquiring) { unsafe giveUnderLock(held.takeRetainedValue()) }
    }

    @inline(never)
    private func giveUnderLock(_ slot: ClientSlot) {
        let waiter = state.withLock { state -> SlotWaiter? in
            if state.isEnded {
                release(slot, &state)
                return nil
            }
            if slot.isOpen {
                state.open.append(slot)
                // Another client may find it sound.
                if slot.isDamaged, state.all.count > 1 { release(slot, &state) }
                return nil
            }
            guard !state.waiters.isEmpty else {
                state.free.append(slot)
                return nil
            }
            return grant(slot, &state)
        }
        waiter?.wake()
    }

    // MARK: Waiting for a slot

    /// Grants a slot to the first of those that wait: it is to be woken. Under the lock.
    private func grant(_ slot: ClientSlot, _ state: inout State) -> SlotWaiter {
        let first = state.waiters.removeFirst()
        noteWaiters(state)
        first.grant(slot)
        return first
    }

    private func noteWaiters(_ state: State) {
        // SYNC: spare-slot (pairs with `give`): the count before, the look for the spare slot after.
        waiterCount.store(state.isEnded ? Self.endedCount : state.waiters.count, ordering: .sequentiallyConsistent)
    }

    /// A place behind those that wait already, or a slot.
    private func lineUp(_ waiter: SlotWaiter) throws(RingError) {
        let granted = try state.withLock { state throws(RingError) -> SlotWaiter? in
            if let slot = try takeBeforeOthers(&state) {
                waiter.grant(slot)
                return nil
            }
            if state.isCancelled { waiter.cancelFlag.raise() }
            state.waiters.append(waiter)
            noteWaiters(state)
            // SYNC: spare-slot (pairs with `give`)
            guard let held = unsafe spare.exchange(nil, ordering: .sequentiallyConsistent) else { return nil }
            return unsafe grant(held.takeRetainedValue(), &state)
        }
        if let granted, granted !== waiter { granted.wake() }
    }

    /// The waiter waits no more. A slot that was granted meanwhile is its.
    private func leave(_ waiter: SlotWaiter) {
        state.withLock { state in
            state.waiters.removeAll { $0 === waiter }
            noteWaiters(state)
        }
    }

    /// What a waiter looks for now and then, for the first in the queue: an open slot that has become quiet, or one that another client gave back.
    func findSlot(for waiter: SlotWaiter) {
        let granted = state.withLock { state -> [SlotWaiter] in
            var granted: [SlotWaiter] = []
            // A byte that can't be locked is an error for newcomers. A waiter goes on until its deadline.
            while !state.waiters.isEmpty, !state.isCancelled, let slot = try? takeElsewhere(&state) { granted.append(grant(slot, &state)) }
            return granted
        }
        for other in granted where other !== waiter { other.wake() }
    }

    /// A slot, at the deadline at the latest. Throws `timedOut`, which says that none was free, and `cancelled`.
    func take(until deadline: Deadline) throws(RingError) -> ClientSlot {
        if let slot = try takeNow() { return slot }
        let waiter = SlotWaiter(self, waiting: waiting)
        // The sleeper stores its word after its last look at the waiter.
        defer { withExtendedLifetime(waiter) {} }
        try lineUp(waiter)
        do throws(RingError) {
            return try waiter.sleeper.wait(until: deadline, for: "free slot") { () throws(RingError) in
                waiter.granted()
            } checkPeers: { () throws(RingError) in
                waiter.checkPeers()
            }
        } catch {
            return try endWait(of: waiter, error)
        }
    }

    /// The same without holding a thread.
    func takeWithoutThread(until deadline: Deadline) async throws(RingError) -> ClientSlot {
        if let slot = try takeNow() { return slot }
        let waiter = SlotWaiter(self, waiting: waiting)
        try lineUp(waiter)
        do throws(RingError) {
            while true {
                if let slot = waiter.granted() { return slot }
                try waiter.watch.occupy(waiter)
                try await waiter.watch.ready(waiter, until: deadline, "free slot")
            }
        } catch {
            return try endWait(of: waiter, error)
        }
    }

    /// The wait for a slot ended for that reason. Throws it, or `ended` if the client was.
    private func endWait(of waiter: SlotWaiter, _ error: RingError) throws(RingError) -> ClientSlot {
        leave(waiter)
        let slot = waiter.granted()
        if let slot { unsafe give(.passRetained(slot)) }
        let (count, isFull, damaged) = try state.withLock { state throws(RingError) in
            try requireNotEnded(state)
            return (min(state.all.count, limit), state.isServiceFull, state.open.first(where: \.isDamaged)?.number)
        }
        guard error.code == .timedOut else { throw error }
        let whose = isFull && count < limit ? "this client, and the service has no more," : "this client"
        throw memory.attachment.error(
            .timedOut,
            "\(count == 1 ? "the one slot" : "all \(count) slots") of \(whose) were in use, to the deadline"
                + (damaged.map { "; slot \($0) is damaged: no process stores such a claim as it has" } ?? ""))
    }

    // MARK: Ending

    /// See `CallClient.end`. A caller that has its slot is under way: it gives the slot back under the lock, where its byte is unlocked.
    func end() throws(RingError) {
        try memory.attachment.requireOwnProcess()
        state.withLock { state in
            guard !state.isEnded else { return }
            state.isEnded = true
            noteWaiters(state)
            // SYNC: spare-slot (pairs with `give`): the count before, the look for the spare slot after.
            let held = unsafe spare.exchange(nil, ordering: .sequentiallyConsistent)
            if let held = unsafe held { unsafe state.free.append(held.takeRetainedValue()) }
            for slot in state.free + state.open { release(slot, &state) }
            state.free = []
            // They leave the queue, so that `lower` ends no cancellation of theirs.
            for waiter in state.waiters { waiter.cancelFlag.raise() }
            state.waiters = []
        }
    }

    // MARK: Cancelling

    /// Ends the calls under way, and those to come, until `lower`.
    func raise() { set(isCancelled: true) }

    func lower() { set(isCancelled: false) }

    /// All flags under one lock: of two threads, one that raises them and one that lowers them, the later one decides for all.
    private func set(isCancelled: Bool) {
        guard !memory.attachment.isInherited else { return }
        state.withLock { state in
            state.isCancelled = isCancelled
            for flag in state.all.values.map(\.cancelFlag) + state.waiters.map(\.cancelFlag) {
                if isCancelled { flag.raise() } else { flag.lower() }
            }
        }
    }

    /// Whether the pool and all its flags agree on whether calls are cancelled. For tests.
    var agreesOnCancelling: Bool {
        state.withLock { state in
            (state.all.values.map(\.cancelFlag) + state.waiters.map(\.cancelFlag)).allSatisfy { $0.isRaised == state.isCancelled }
        }
    }

    /// How many callers wait for a slot. For tests. Relaxed: it orders nothing.
    var waitingCallers: Int { waiterCount.load(ordering: .relaxed) }

    /// Whether a slot stays the spare one although a caller waits, which none may while no caller is giving. For tests. No lock while none waits.
    var isSpareForgotten: Bool {
        waitingCallers > 0 && state.withLock { unsafe !$0.waiters.isEmpty && spare.load(ordering: .sequentiallyConsistent) != nil }
    }

    /// As if the service had been full for ever, or never. For tests.
    func forbidScans() { state.withLock { $0.nextScan = .max } }
    func allowScans() { state.withLock { $0.nextScan = 0 } }

    /// The slots that it has, by their numbers. For tests.
    var allSlots: [ClientSlot] { state.withLock { state in state.all.sorted { $0.key < $1.key }.map(\.value) } }
}
