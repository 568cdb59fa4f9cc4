import CSharedRing

/// A client's slot, and the call in it: the client's half of the protocol.
///
/// One caller at a time has it, or the pool, whose lock orders them, or the waiter thread.
///
/// Invariants:
/// - `n` is the number of the last request in this slot, unless an untrusted peer stored another: this copy counts.
/// - `isOpen` says that no reply with that number was seen. While it is true, neither the request nor an area is touched.
/// - `stream` is there while the call that is open, or was last, is one with a stream.
/// - A request is posted only while `isOpen` is false: so a reply is never more than one call behind, and a number can be compared however often it
///   has wrapped.
@safe
final class ClientSlot: @unchecked Sendable {
    let memory: CallMemory
    let number: Int
    let sleeper: Sleeper
    let watch: Watch
    let cancelFlag: CancelFlag
    private let line: UnsafeMutablePointer<sr_call_line>
    private let control: UnsafeMutablePointer<sr_caller_control>
    @safe @exclusivity(unchecked) private(set) var n: UInt32
    @safe @exclusivity(unchecked) private(set) var isOpen: Bool
    /// The call that is open was given up: what comes of it is late.
    @safe @exclusivity(unchecked) private var isGivenUp: Bool
    /// When the call was made, of one in 64; else 0.
    @safe @exclusivity(unchecked) private var begun: Int64 = 0
    /// The call that is open is a predecessor's.
    @safe @exclusivity(unchecked) private(set) var isInherited = false
    /// What the caller has read of the call's stream; nil: the call has none.
    @safe @exclusivity(unchecked) var stream: StreamReceiver?

    // SAFETY, for the whole class: the line and the block lie in the control mapping, which `memory` keeps.

    /// Signs in. The attachment of `memory` holds the slot's byte.
    init(_ memory: CallMemory, _ number: Int, waiting: WaitStrategy, checkInterval: Duration) {
        self.memory = memory
        self.number = number
        unsafe line = memory.line(number)
        unsafe control = memory.caller(number)
        unsafe HolderInformation.store(in: sr_caller_holder(control))
        // SYNC: call-slot-in-use (pairs with ServerCore.sweep): before the first request.
        _ = unsafe sr_fetch_or_acq_rel_u64(sr_call_slots_used(memory.control) + number / 64, 1 << UInt64(number % 64))
        let word: SleepWord = unsafe .doorbell(sr_caller_doorbell(control))
        word.declareAwake()  // whatever a predecessor left there; relaxed: see Sleeper
        cancelFlag = CancelFlag(word: word, keeping: memory)
        sleeper = unsafe Sleeper(
            word: word, barrier: memory.isAsymmetric ? .membarrier : .symmetric, strategy: waiting,
            checkInterval: checkInterval.wholeNanoseconds, cancelFlag: cancelFlag, sleeps: sr_caller_sleeps(control), ring: memory.ring,
            // A server's death is to be found within a check interval, also after a long silence.
            isPolling: true)
        watch = Watch(sleeper)
        // Where the client before this one left it. Relaxed: the byte orders this one after it.
        n = unsafe sr_call_number(sr_load_relaxed_u64(sr_call_request(line)))
        isOpen = true
        isGivenUp = false
        // SYNC: epoch (pairs with RingReport)
        unsafe sr_store_release_u32(sr_caller_epoch(control), sr_epoch_at_attach(sr_load_relaxed_u32(sr_caller_epoch(control))))
        // What comes of a predecessor's call is late, too.
        isGivenUp = !isQuietNow()
        isInherited = isOpen
        if isInherited { stopInherited() }
    }

    /// Ends the role in order. A call that is open stays so: the slot's next client settles it.
    func close() {
        // SYNC: epoch (pairs with RingReport). The load is relaxed: only this side writes it.
        unsafe sr_store_release_u32(sr_caller_epoch(control), sr_epoch_at_close(sr_load_relaxed_u32(sr_caller_epoch(control))))
    }

    // MARK: The protocol

    /// Begins a request of so many bytes, which the caller checked against the capacity. Where they go.
    func begin(_ byteCount: Int) -> UnsafeMutableRawPointer {
        precondition(!isOpen)
        return unsafe byteCount <= CallShape.inline ? UnsafeMutableRawPointer(sr_call_message(line)) : memory.request(number, byteCount)
    }

    /// Where a reply of so many bytes stands, which are at most the capacity.
    func reply(_ byteCount: Int) -> UnsafeRawPointer {
        unsafe UnsafeRawPointer(
            byteCount <= CallShape.inline ? UnsafeMutableRawPointer(sr_call_message(line)) : memory.reply(number, byteCount))
    }

    /// The request that was begun exists from now on. Wakes a server.
    func post(_ byteCount: Int, retrying token: CallToken?) {
        if (n &+ 1) & 63 == 0 { begun = sr_now_ns() }
        post(byteCount, retrying: token, flags: 0)
    }

    @inline(__always)
    private func post(_ byteCount: Int, retrying token: CallToken?, flags more: UInt32) {
        if let token { unsafe token.store(in: line) }
        n &+= 1
        isOpen = true
        isGivenUp = false
        let flags = token == nil ? more : more | UInt32(SR_CALL_HAS_TOKEN)
        // SYNC: call-request (pairs with ServerCore.claim): payload and token before.
        unsafe sr_store_release_u64(sr_call_request(line), sr_call_word(n, flags, UInt32(truncatingIfNeeded: byteCount)))
        unsafe sr_count(sr_caller_calls(control), 1)
        if memory.wakeServers() { unsafe sr_count(sr_caller_wakes(control), 1) }
    }

    /// The same of a request whose reply is a stream. The lane is set back before, while the slot is quiet and no server writes it.
    func postStream(_ byteCount: Int, retrying token: CallToken?) {
        precondition(!isOpen)
        stream = StreamReceiver(settingBack: memory.stream(number), before: n &+ 1)
        post(byteCount, retrying: token, flags: UInt32(SR_CALL_STREAMS))
    }

    /// The reply's word, once the call is settled. One load.
    func reply() -> UInt64? {
        // SYNC: call-reply (pairs with ServerCore.answer): the reply's payload after.
        let word = unsafe sr_load_acquire_u64(sr_call_reply(line))
        return sr_call_number(word) == n ? word : nil
    }

    /// What a look at a call's claim found.
    enum Look {
        /// The reply's word: the call is settled.
        case settled(UInt64)
        /// A server has started it, and lives.
        case started
        /// No server has started it.
        case pending
        /// No client and no server claims so.
        case impossible(claim: UInt64)
    }

    /// Looks whether the call can be settled, and settles it. Perhaps a system call.
    ///
    /// - Parameter withdrawing: whether to take the request back if no server has started it.
    func look(withdrawing: Bool) -> Look { look(withdrawing: withdrawing) { memory.isGone($0) } }

    /// - Parameter isGone: whether a server has gone for good, as `memory` knows. In tests the other side goes on meanwhile.
    func look(withdrawing: Bool, isGone: (_ who: UInt32) -> Bool) -> Look {
        // Each turn means that the claim moved meanwhile, which it does once a call.
        for _ in 0..<4 {
            if let word = reply() { return .settled(word) }
            // SYNC: call-claim (pairs with ServerCore.claim)
            let claim = unsafe sr_load_acquire_u64(sr_caller_claim(control))
            let who = UInt32(truncatingIfNeeded: claim)
            switch sr_call_number(claim) {
            case n where who == 0:
                // Withdrawn, perhaps by a client that was killed then.
                return settle(UInt32(SR_CALL_NOT_EXECUTED))
            case n:
                // Only now, behind the claim: whether that very server has gone.
                guard isGone(who) else { return .started }
                // It may have answered last.
                if let word = reply() { return .settled(word) }
                return settle(UInt32(SR_CALL_UNKNOWN))
            case n &- 1:
                guard withdrawing else { return .pending }
                // SYNC: call-claim (pairs with ServerCore.claim): the one that moves it decides.
                if unsafe sr_compare_exchange_acq_rel_u64(sr_caller_claim(control), claim, sr_call_claim_word(n, 0)) != 0 {
                    return settle(UInt32(SR_CALL_NOT_EXECUTED))
                }
            default:
                if let word = reply() { return .settled(word) }
                return .impossible(claim: claim)
            }
        }
        return .started
    }

    /// The call comes to no reply: nobody else will store one.
    private func settle(_ how: UInt32) -> Look {
        let word = sr_call_word(n, how, 0)
        // SYNC: call-reply (pairs with `reply`, also of the slot's next client).
        unsafe sr_store_release_u64(sr_call_reply(line), word)
        return .settled(word)
    }

    /// The caller has seen the reply: the slot is quiet.
    func finish() {
        isOpen = false
        isInherited = false
        if begun != 0 { noteLatency() }
        if isGivenUp {
            isGivenUp = false
            if let word = reply(), sr_call_how(word) <= UInt32(SR_CALL_MALFORMED) { unsafe sr_count(sr_caller_late(control), 1) }
        }
    }

    @inline(never)
    private func noteLatency() {
        let nanoseconds = max(1, sr_now_ns() &- begun)
        begun = 0
        guard !isGivenUp else { return }
        let bucket = min(31, 63 - nanoseconds.leadingZeroBitCount)
        // Relaxed: for observers, and only the slot's client writes it.
        let place = unsafe sr_caller_latency(control) + bucket
        unsafe sr_store_relaxed_u32(place, sr_load_relaxed_u32(place) &+ 1)
    }

    /// The caller stops waiting for a call that was started: the slot stays open. A hint to the server.
    func giveUp() {
        isGivenUp = true
        // Relaxed: it orders nothing.
        unsafe sr_store_relaxed_u32(sr_caller_cancel(control), n)
        if let lane = stream?.lane { stop(lane) }
    }

    /// A server that waits for room hears that this client wants no more.
    private func stop(_ lane: StreamLane) {
        if lane.stop(n, isAsymmetric: memory.isAsymmetric) { unsafe sr_count(sr_caller_wakes(control), 1) }
    }

    /// What a predecessor left open may be a stream, whose server waits for room. It sees the slot's byte locked, so it would not learn of the predecessor's death.
    private func stopInherited() {
        guard memory.shape.hasStreams else { return }
        stop(memory.stream(number))
    }

    /// Whether the slot may be used for the next call; withdraws what is pending, and settles what can be settled.
    func isQuietNow() -> Bool {
        guard isOpen else { return true }
        guard case .settled = look(withdrawing: true) else { return false }
        stream = nil
        finish()
        return true
    }

    /// Whether no call through this slot can come to an end: its claim is neither of the last call nor, while that is open, of the one before it. Only an
    /// untrusted peer stores such a claim, and it may store another.
    var isDamaged: Bool {
        // Relaxed: the number is compared, and orders nothing.
        let claimed = unsafe sr_call_number(sr_load_relaxed_u64(sr_caller_claim(control)))
        return claimed != n && (!isOpen || claimed != n &- 1)
    }

    /// Whether it can't be used, and that is no call of this client's doing: another slot may take its place.
    var isForeign: Bool { isInherited || isDamaged }

    var token: CallToken { CallToken(memory.instance, slot: number, number: n) }

    /// As if so many calls had been made: request, claim and reply are of number `n`. For tests.
    func setNumber(_ n: UInt32) {
        precondition(!isOpen)
        self.n = n
        unsafe sr_store_release_u64(sr_call_reply(line), sr_call_word(n, 0, 0))
        unsafe sr_store_release_u64(sr_caller_claim(control), sr_call_claim_word(n, 0))
        unsafe sr_store_release_u64(sr_call_request(line), sr_call_word(n, 0, 0))
    }

    // MARK: Waiting

    /// Blocks until the call is settled.
    ///
    /// - Returns: the reply's word. Throws `timedOut`, `cancelled`.
    func wait(until deadline: Deadline) throws(RingError) -> UInt64 {
        try sleeper.wait(until: deadline, for: "reply") { () throws(RingError) in
            reply()
        } checkPeers: { () throws(RingError) in
            checkPeers()
        }
    }

    func checkPeers() -> UInt64? {
        switch look(withdrawing: false) {
        case .settled(let word): word
        // An untrusted peer that stored an impossible claim may store another: the deadline decides.
        case .pending, .started, .impossible: nil
        }
    }

    func impossible(_ claim: UInt64) -> RingError {
        RingError(
            .poisoned, ring: memory.ring,
            "the claim of slot \(number) is of call \(sr_call_number(claim)) while call \(n) is under way, which no process stores: the slot is damaged"
        )
    }

    /// Waits until the call is settled, without holding a thread.
    func waitWithoutThread(until deadline: Deadline) async throws(RingError) -> UInt64 {
        try sleeper.requireNotCancelled("reply")
        if let word = replyWithinMoment() { return word }
        var emptyRounds = 0
        while true {
            try watch.occupy(self)
            try await watch.ready(self, until: deadline, "reply")
            if let word = reply() { return word }
            // An untrusted server stored the reply and took it back: that must end as well, and not be a busy loop.
            emptyRounds += 1
            if Task.isCancelled { throw RingError(.cancelled, ring: memory.ring, "the task that waited for a reply was cancelled") }
            if deadline.isPassed(at: sr_now_ns()) { throw RingError(.timedOut, ring: memory.ring, "no reply before the deadline") }
            if emptyRounds > 16 { try? await Task.sleep(for: .milliseconds(1)) }
        }
    }

    /// The reply, if it comes while this thread watches for a moment, without a look at the clock.
    func replyAtOnce() -> UInt64? {
        if sleeper.strategy != .sleep, !cancelFlag.isRaised { replyWithinMoment() } else { nil }
    }

    /// An answer from another core comes sooner than a task is suspended.
    private func replyWithinMoment() -> UInt64? {
        for _ in 0..<256 {
            if let word = reply() { return word }
            sr_pause()
        }
        return nil
    }
}

extension ClientSlot: Awaited {
    func prepareToWait() throws(RingError) { try memory.attachment.requireOwnProcess() }

    func isReady() -> Bool { reply() != nil || stream?.hasMore == true }

    func isReadyOnCheckingPeers() -> Bool { checkPeers() != nil || isReady() }

    // Only the caller that has the slot uses it, and it waits.
    func handOver(saying error: RingError) {}
    func takeBack() {}
}
