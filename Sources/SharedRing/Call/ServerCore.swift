import CSharedRing

/// A server's role: the server's half of the protocol.
///
/// Invariants:
/// - `seen[slot]` is the request's word that the owner has dealt with last, or one that no client stores.
/// - `calls[slot]` is the call that this server has started in that slot, with its stage. Only the owner makes a call `held`; whoever takes it from there by a
///   compare-and-swap answers it, once.
/// - A call that this server has started is answered by this server, before its epoch is even.
@safe
final class ServerCore: @unchecked Sendable {
    let memory: CallMemory
    let number: Int
    let sleeper: Sleeper
    let watch: Watch
    let cancelFlag: CancelFlag
    let control: UnsafeMutablePointer<sr_server_control>
    /// What this server's claims have in their low half.
    private let who: UInt32
    /// The flags that a request may have.
    private let knownFlags: UInt32
    private let seen: UnsafeMutablePointer<UInt64>
    private let calls: UnsafeMutablePointer<UInt64>
    /// Requests that stand in their line, where the reply is written as well: copies, a line each.
    private let copies: UnsafeMutableRawPointer
    /// The first calls' names, of retries: copies, since a line may carry the client's next call once this one is answered.
    private let tokens: UnsafeMutablePointer<CallToken>
    /// Where the next sweep begins.
    @safe @exclusivity(unchecked) private var next = 0
    /// The slot whose call was started last. A sweep over many idle slots looks there in between: a busy client does not wait for its end.
    @safe @exclusivity(unchecked) private var latest = 0
    @safe @exclusivity(unchecked) private var isClosed = false
    /// Thrown at a caller while a waiter thread has this server.
    @safe @exclusivity(unchecked) private var refusal: RingError?

    /// The stages of a call in this server, in the low half of its word in `calls`; the number is in the high half.
    enum Stage {
        static let held: UInt64 = 1
        /// A thread writes the reply, or a part of a stream.
        static let answering: UInt64 = 2
        /// The reply is about to be stored: the client's next request may be there.
        static let answered: UInt64 = 3
        /// A stream is open, and no thread writes a part of it.
        static let streaming: UInt64 = 4
        static func word(_ n: UInt32, _ stage: UInt64) -> UInt64 { UInt64(n) << 32 | stage }
    }

    // SAFETY, for the whole class: all blocks lie in the control mapping, which `memory` keeps; the arrays have a place for each slot, and a slot's
    // number is below the count.

    /// Signs in. The attachment of `memory` holds the server's byte.
    init(_ memory: CallMemory, waiting: WaitStrategy, checkInterval: Duration) {
        guard case .server(let number) = memory.attachment.role else { preconditionFailure("a server's role") }
        self.memory = memory
        self.number = number
        let count = memory.shape.slotCount
        knownFlags = UInt32(SR_CALL_HAS_TOKEN) | (memory.shape.hasStreams ? UInt32(SR_CALL_STREAMS) : 0)
        unsafe control = memory.server(number)
        unsafe seen = .allocate(capacity: count)
        unsafe seen.initialize(repeating: .max, count: count)
        unsafe calls = .allocate(capacity: count)
        unsafe calls.initialize(repeating: 0, count: count)
        unsafe copies = .allocate(byteCount: count * 64, alignment: 64)
        unsafe copies.initializeMemory(as: UInt8.self, repeating: 0, count: count * 64)
        unsafe tokens = .allocate(capacity: count)
        unsafe tokens.initialize(repeating: CallToken(memory.instance, slot: 0, number: 0), count: count)
        let word: SleepWord = unsafe .eventCount(sr_call_event_word(memory.control))
        cancelFlag = CancelFlag(word: word, keeping: memory)
        sleeper = unsafe Sleeper(
            word: word, barrier: memory.isAsymmetric ? .membarrier : .symmetric, strategy: waiting,
            checkInterval: checkInterval.wholeNanoseconds, cancelFlag: cancelFlag, sleeps: sr_server_sleeps(control), ring: memory.ring)
        watch = Watch(sleeper)
        unsafe HolderInformation.store(in: sr_server_holder(control))
        let epoch = unsafe sr_epoch_at_attach(sr_load_relaxed_u32(sr_server_epoch(control)))  // relaxed: the byte orders it
        who = sr_call_starter(UInt32(number), epoch)
        // SYNC: call-server (pairs with CallMemory.isGone)
        unsafe sr_store_release_u32(sr_server_epoch(control), epoch)
        // Without a look: clients whose server died see the epoch, and settle.
        forEachUsedSlot { slot in unsafe Doorbell.wake(sr_caller_doorbell(memory.caller(slot))) }
    }

    deinit {
        close()
        unsafe seen.deallocate()
        unsafe calls.deallocate()
        unsafe copies.deallocate()
        unsafe tokens.deallocate()
    }

    @inline(__always)
    func requireUsable() throws(RingError) {
        // The errors are made elsewhere: here they would have the attachment's reference counted in every call.
        if memory.attachment.isInherited || refusal != nil || isClosed { try refuse() }
    }

    @inline(never)
    private func refuse() throws(RingError) {
        try memory.attachment.requireOwnProcess()
        if let refusal { throw refusal }
        if isClosed { throw memory.attachment.error(.ended, "this server was ended") }
    }

    // MARK: Finding and starting calls

    /// A call that this server has started. Two words: it goes through every layer in registers.
    struct Started {
        let slot: Int
        let n: UInt32
        /// The low half of the request's word, which was checked.
        private let low: UInt32

        init(slot: Int, n: UInt32, low: UInt32) {
            self.slot = slot
            self.n = n
            self.low = low
        }

        init(slot: Int, n: UInt32, flags: UInt32, byteCount: Int) {
            self.init(slot: slot, n: n, low: UInt32(truncatingIfNeeded: sr_call_word(n, flags, UInt32(truncatingIfNeeded: byteCount))))
        }

        var flags: UInt32 { sr_call_how(UInt64(low)) }
        var byteCount: Int { Int(sr_call_byte_count(UInt64(low))) }
        var isRetry: Bool { flags & UInt32(SR_CALL_HAS_TOKEN) != 0 }
        /// Whether the client reads a stream.
        var streams: Bool { flags & UInt32(SR_CALL_STREAMS) != 0 }
    }

    /// The first call that can be started, from where the last sweep ended: started. Nil: there is none. O(slots in use).
    ///
    /// Each slot is a cache line of its own. The first-level cache does not hold 1,000 of them, and a sweep over so many takes 600 ns. So after each 64
    /// slots it looks at the client that was served last, too. The next sweep goes on behind these 64, so it comes to every slot, however often that
    /// client calls.
    @inline(__always)
    func poll() -> Started? {
        let start = next
        return sweep(start, memory.shape.slotCount) ?? (start == 0 ? nil : sweep(0, start))
    }

    @inline(__always)
    private func sweep(_ from: Int, _ end: Int) -> Started? {
        var slot = from
        while slot < end {
            let word = slot / 64
            // SYNC: call-slot-in-use (pairs with ClientSlot.init): the bit before, the request after.
            let used = unsafe sr_load_acquire_u64(sr_call_slots_used(memory.control) + word)
            let last = min(end, 64 * word + 64 - used.leadingZeroBitCount)
            while slot < last {
                let found = unsafe Int(sr_call_scan(memory.lines, seen, UInt32(slot), UInt32(last)))
                guard found < last else { break }
                if let started = claim(found) {
                    next = found + 1 == memory.shape.slotCount ? 0 : found + 1
                    latest = found
                    return started
                }
                slot = found + 1
            }
            slot = 64 * (word + 1)
            if slot < end, unsafe Int(sr_call_scan(memory.lines, seen, UInt32(latest), UInt32(latest + 1))) == latest,
                let started = claim(latest)
            {
                next = slot
                return started
            }
        }
        return nil
    }

    /// Whether a sweep would find a request that it has not dealt with. It starts nothing.
    private func isAnythingNew() -> Bool {
        var slot = 0
        while slot < memory.shape.slotCount {
            let word = slot / 64
            // SYNC: call-slot-in-use (pairs with ClientSlot.init)
            let used = unsafe sr_load_acquire_u64(sr_call_slots_used(memory.control) + word)
            let last = min(memory.shape.slotCount, 64 * word + 64 - used.leadingZeroBitCount)
            if slot < last, unsafe Int(sr_call_scan(memory.lines, seen, UInt32(slot), UInt32(last))) < last { return true }
            slot = 64 * (word + 1)
        }
        return false
    }

    /// Starts the call of a slot. Nil: there is none that this server may start.
    @inline(never)
    private func claim(_ slot: Int) -> Started? {
        // SYNC: call-request (pairs with ClientSlot.post): the request before, payload and token after. One copy, which is checked and used.
        let request = unsafe sr_load_acquire_u64(sr_call_request(memory.line(slot)))
        unsafe seen[slot] = request
        let n = sr_call_number(request)
        // A client that keeps the protocol makes no call before the last one was answered.
        let stage = unsafe sr_load_acquire_u64(calls + slot) & 0xffff_ffff
        if stage == Stage.held || stage == Stage.answering || stage == Stage.streaming { return nil }
        let place = unsafe sr_caller_claim(memory.caller(slot))
        // SYNC: call-claim (pairs with ClientSlot.look): the one that moves it decides. Only what follows the last claim is started.
        let claim = unsafe sr_load_acquire_u64(place)
        guard n == sr_call_number(claim) &+ 1, unsafe sr_compare_exchange_acq_rel_u64(place, claim, sr_call_claim_word(n, who)) != 0
        else { return nil }
        unsafe sr_count(sr_server_started(control), 1)
        let started = Started(slot: slot, n: n, low: UInt32(truncatingIfNeeded: request))
        guard started.flags & ~knownFlags == 0, started.byteCount <= memory.shape.requestCapacity else {
            answer(slot, n, UInt32(SR_CALL_MALFORMED), 0)
            return nil
        }
        if started.isRetry { unsafe tokens[slot] = CallToken(in: memory.line(slot)) }
        if started.byteCount <= CallShape.inline {
            // The reply goes to the same bytes.
            unsafe sr_copy(copies + 64 * slot, memory.request(slot, 0), Int64(started.byteCount))
        }
        // Private to this process: the order is that of whatever hands the call to another thread.
        unsafe sr_store_release_u64(calls + slot, Stage.word(n, Stage.held))
        return started
    }

    /// Forgets what was dealt with where a call can be started nonetheless: a number that came again after 2^32 calls, or what an untrusted client stored.
    private func forgetMissed() {
        forEachUsedSlot { slot in
            let request = unsafe sr_load_relaxed_u64(sr_call_request(memory.line(slot)))  // relaxed: `claim` loads it again
            let claim = unsafe sr_load_relaxed_u64(sr_caller_claim(memory.caller(slot)))  // relaxed: as above
            if sr_call_number(request) == sr_call_number(claim) &+ 1 { unsafe seen[slot] = ~request }
        }
    }

    private func forEachUsedSlot(_ body: (_ slot: Int) -> Void) {
        for word in 0..<(memory.shape.slotCount + 63) / 64 {
            // SYNC: call-slot-in-use (pairs with ClientSlot.init)
            var used = unsafe sr_load_acquire_u64(sr_call_slots_used(memory.control) + word)
            while used != 0 {
                let slot = 64 * word + used.trailingZeroBitCount
                used &= used - 1
                if slot < memory.shape.slotCount { body(slot) }
            }
        }
    }

    // MARK: Using a started call

    /// Where a request's bytes are. Those of a large request stay as they are while the call is not answered, unless an untrusted client writes them
    /// anew; the copy of a small one stays until the owner starts the slot's next call.
    func requestBytes(_ call: Started) -> UnsafeRawPointer {
        unsafe call.byteCount <= CallShape.inline
            ? UnsafeRawPointer(copies + 64 * call.slot) : UnsafeRawPointer(memory.request(call.slot, call.byteCount))
    }

    /// The call's name: the first call's if it is a retry. Until the owner starts the slot's next call.
    func token(_ call: Started) -> CallToken {
        call.isRetry ? unsafe tokens[call.slot] : CallToken(memory.instance, slot: call.slot, number: call.n)
    }

    /// Whether bytes that were copied from the request's place are this call's. Once a call is answered, its area may carry the client's next request.
    func isStillThere(_ call: Started) -> Bool {
        guard call.byteCount > CallShape.inline else { return true }
        // SYNC: call-reply (pairs with ServerCore.finish, which stores the stage before the reply): the copy before, the look at the stage after.
        sr_fence_acquire()
        // Relaxed: the fence orders it.
        let word = unsafe sr_load_relaxed_u64(calls + call.slot)
        return word == Stage.word(call.n, Stage.held) || word == Stage.word(call.n, Stage.answering)
            || word == Stage.word(call.n, Stage.streaming)
    }

    /// Whether the caller has given the call up: a hint. In a forked child, which has no such memory, true.
    func isGivenUp(_ call: Started) -> Bool {
        // Relaxed: it orders nothing.
        unsafe memory.attachment.isInherited || sr_load_relaxed_u32(sr_caller_cancel(memory.caller(call.slot))) == call.n
    }

    // MARK: Answering

    /// Takes the call to answer it, or to write a part of its stream. False: it was answered already, or has another stage than `from`.
    @inline(__always)
    func take(_ call: Started, from stage: UInt64 = Stage.held) -> Bool {
        guard !memory.attachment.isInherited else { return false }
        // Relaxed: the exchange decides. It costs more than this look, and every request that ends comes here once it was answered.
        guard unsafe sr_load_relaxed_u64(calls + call.slot) == Stage.word(call.n, stage) else { return false }
        return unsafe sr_compare_exchange_acq_rel_u64(
            calls + call.slot, Stage.word(call.n, stage), Stage.word(call.n, Stage.answering)) != 0
    }

    /// Gives the call back unanswered, after `take`.
    @inline(__always)
    func putBack(_ call: Started, to stage: UInt64 = Stage.held) {
        unsafe sr_store_release_u64(calls + call.slot, Stage.word(call.n, stage))
    }

    /// Whether the call has that stage now.
    func hasStage(_ call: Started, _ stage: UInt64) -> Bool {
        // What was seen of the slot's words before, a later call's among them, is no newer than this: the fence orders the loads.
        sr_fence_acquire()
        return unsafe sr_load_relaxed_u64(calls + call.slot) == Stage.word(call.n, stage)
    }

    /// Answers a call that was taken. The reply's bytes, which fit the capacity, are in place.
    func finish(_ call: Started, _ how: UInt32, _ byteCount: Int) {
        let place = unsafe calls + call.slot
        // Before the reply: behind that the client's next request may come, which the owner may start at once.
        unsafe sr_store_release_u64(place, Stage.word(call.n, Stage.answered))
        answer(call.slot, call.n, how, byteCount)
        // Behind the reply: a close that finds no stage here finds every reply stored. It fails if the owner has started the next call.
        _ = unsafe sr_compare_exchange_acq_rel_u64(place, Stage.word(call.n, Stage.answered), 0)
    }

    private func answer(_ slot: Int, _ n: UInt32, _ how: UInt32, _ byteCount: Int) {
        // SYNC: call-reply (pairs with ClientSlot.reply): the reply's payload before.
        unsafe sr_store_release_u64(sr_call_reply(memory.line(slot)), sr_call_word(n, how, UInt32(truncatingIfNeeded: byteCount)))
        wakeClient(slot)
        // Behind the reply, which need not wait for it. A read-modify-write: several threads may answer.
        _ = unsafe sr_fetch_add_acq_rel_u64(sr_server_answered(control), 1)
    }

    /// Behind the store of a reply, or of a tail.
    @inline(__always)
    func wakeClient(_ slot: Int) {
        // SYNC: doorbell (pairs with Sleeper.declareAsleep): that store before, the look at the doorbell after. Relaxed: the barrier orders it.
        if memory.isAsymmetric { sr_fence_compiler() } else { sr_fence_full() }
        let doorbell = unsafe sr_caller_doorbell(memory.caller(slot))
        if unsafe sr_load_relaxed_u32(doorbell) != 0 {
            // A read-modify-write: several threads may answer.
            _ = unsafe sr_fetch_add_acq_rel_u64(sr_server_wakes(control), 1)
            unsafe Doorbell.wake(doorbell)
        }
    }

    /// Ends the role: answers what was started, then says so, then gives the byte back. Never in another order: a client would take a call for lost that
    /// is answered yet.
    func close() {
        guard !isClosed, !memory.attachment.isInherited else { return }
        isClosed = true
        for slot in 0..<memory.shape.slotCount {
            while true {
                let word = unsafe sr_load_acquire_u64(calls + slot)
                guard word != 0 else { break }
                let n = UInt32(truncatingIfNeeded: word >> 32)
                let call = Started(slot: slot, n: n, flags: 0, byteCount: 0)
                let stage = word & 0xffff_ffff
                if stage == Stage.held || stage == Stage.streaming {
                    guard take(call, from: stage) else { continue }
                    finish(call, UInt32(SR_CALL_CLOSED), 0)
                    // The stream's writer may wait for room.
                    if stage == Stage.streaming { unsafe EventCount.wake(memory.stream(slot).roomWord) }
                } else {
                    // Another thread is about to answer it.
                    sr_sleep_ns(20_000)
                }
            }
        }
        // SYNC: call-server (pairs with CallMemory.isGone): every reply before. The load is relaxed: only this side writes it.
        unsafe sr_store_release_u32(sr_server_epoch(control), sr_epoch_at_close(sr_load_relaxed_u32(sr_server_epoch(control))))
        memory.attachment.unlock()
    }

    /// See `CallServer.end`.
    func end() throws(RingError) {
        if isClosed { return try memory.attachment.requireOwnProcess() }
        try requireUsable()
        close()
    }

    // MARK: Waiting

    /// Blocks until there is a call, and starts it. Throws `timedOut`, `cancelled`, `ended`, `forked`.
    func wait(until deadline: Deadline) throws(RingError) -> Started {
        try requireUsable()
        // The client of the last call may call again at once: that is found sooner without a look at the clock.
        if sleeper.strategy != .sleep, !cancelFlag.isRaised {
            for _ in 0..<256 {
                if let started = poll() { return started }
                sr_pause()
            }
        }
        return try sleeper.wait(until: deadline, for: "call") { () throws(RingError) in
            poll()
        } checkPeers: { () throws(RingError) in
            checkPeers()
        }
    }

    private func checkPeers() -> Started? {
        forgetMissed()
        return poll()
    }

    /// Waits for a call without holding a thread, and starts it.
    func waitWithoutThread(until deadline: Deadline) async throws(RingError) -> Started {
        var emptyRounds = 0
        while true {
            try requireUsable()
            try sleeper.requireNotCancelled("call")
            for _ in 0..<64 {
                if let started = poll() { return started }
                sr_pause()
            }
            if emptyRounds > 0 { try await afterEmptyRound(emptyRounds, until: deadline) }
            try watch.occupy(self)
            try await watch.ready(self, until: deadline, "call")
            emptyRounds += 1
        }
    }

    /// Behind a round that found nothing although there was something to look at: another server was faster, or a client changes its request again and
    /// again. Such rounds must end as well, and not be a busy loop.
    private func afterEmptyRound(_ count: Int, until deadline: Deadline) async throws(RingError) {
        if Task.isCancelled { throw RingError(.cancelled, ring: memory.ring, "the task that waited for a call was cancelled") }
        if deadline.isPassed(at: sr_now_ns()) { throw RingError(.timedOut, ring: memory.ring, "no call before the deadline") }
        if count > 16 { try? await Task.sleep(for: .milliseconds(1)) }
    }
}

extension ServerCore: Awaited {
    func prepareToWait() throws(RingError) { try requireUsable() }
    func isReady() -> Bool { isAnythingNew() }
    func isReadyOnCheckingPeers() -> Bool {
        forgetMissed()
        return isAnythingNew()
    }
    func handOver(saying error: RingError) { refusal = error }
    func takeBack() { refusal = nil }
}
