import CSharedRing

/// The server's half of a stream: the parts of one call's reply.
///
/// Invariants:
/// - Only this value moves the call from `streaming` to `answering` and back, but for a server that closes: that takes it from `streaming` to its end.
///   So a record and the tail are written only while the call is this server's.
/// - `tail` is what this side stored last; the shared word is never read.
/// - `head` is at most `tail`, and `tail - head` at most the capacity: it was checked when it was loaded.
@safe
final class StreamSender: @unchecked Sendable {
    let core: ServerCore
    let call: ServerCore.Started
    private let lane: StreamLane
    private let sleeper: Sleeper
    private let watch: Watch
    @safe @exclusivity(unchecked) private var tail: UInt64 = 0
    @safe @exclusivity(unchecked) private var head: UInt64 = 0
    /// What ended the stream before its writer did: thrown at each further part.
    @safe @exclusivity(unchecked) private var ending: RingError?
    /// The bytes that a waiting writer needs.
    @safe @exclusivity(unchecked) private var needed: UInt64 = 0
    /// Thrown at a caller while a waiter thread has this value.
    @safe @exclusivity(unchecked) private var refusal: RingError?

    // SAFETY, for the whole class: the lane lies in the mappings of `core.memory`.

    /// The call was taken: its stage is `streaming`.
    init(_ core: ServerCore, _ call: ServerCore.Started) {
        self.core = core
        self.call = call
        lane = core.memory.stream(call.slot)
        sleeper = unsafe Sleeper(
            word: .eventCount(lane.roomWord), barrier: core.memory.isAsymmetric ? .membarrier : .symmetric, strategy: core.sleeper.strategy,
            checkInterval: core.sleeper.checkInterval, cancelFlag: core.cancelFlag, sleeps: core.sleeper.sleeps, ring: core.memory.ring,
            // A client's death is to be found within a check interval, also after a long silence.
            isPolling: true)
        watch = Watch(sleeper)
    }

    var largestPart: Int { lane.largestPart }

    /// Whether the client wants no more parts: it stopped the stream, gave the call up, or was succeeded. In a forked child, too.
    var isStopped: Bool { core.memory.attachment.isInherited || lane.isStopped(call.n) }

    private func error(_ code: RingError.Code, _ detail: String) -> RingError { core.memory.attachment.error(code, detail).aboutCalls }

    // MARK: Room

    /// What each part begins with. Throws `forked`, `alreadyWaiting`, `messageTooLarge`, `cancelled`, and what ended the stream.
    private func requireUsable(_ byteCount: Int, mayWait: Bool = true) throws(RingError) {
        try onCalls { () throws(RingError) in try core.memory.attachment.requireOwnProcess() }
        if let refusal { throw refusal.aboutCalls }
        if let ending { throw ending }
        guard byteCount >= 0, byteCount <= largestPart else {
            throw error(
                .messageTooLarge, "a part of \(counted(byteCount, "byte")) does not fit the stream, whose largest has \(largestPart)")
        }
        if mayWait { try onCalls { () throws(RingError) in try sleeper.requireNotCancelled("room") } }
    }

    /// How many bytes the lane must have free for such a record, with the rest of the lap before it.
    @inline(__always)
    private func need(_ size: UInt64) -> UInt64 {
        let rest = lane.rest(tail)
        return size <= rest ? size : rest + size
    }

    /// Whether there is room for so many bytes. Throws what ends the stream.
    private func look(_ need: UInt64) throws(RingError) -> Bool {
        // SYNC: stream-stop (pairs with StreamLane.stop)
        if lane.isStopped(call.n) { throw end(.streamStopped, "its client wants no more of the stream") }
        if tail &- head &+ need <= lane.capacity { return true }
        // SYNC: stream-head (pairs with StreamReceiver.acknowledge): the reads of what was acknowledged come before; the writes there after.
        let found = unsafe sr_load_acquire_u64(sr_stream_head(lane.control))
        // One copy, which is checked and used. It never goes back, and never beyond the tail.
        guard found &- head <= tail &- head, found & 7 == 0 else {
            throw end(.poisoned, "its client has acknowledged \(found) bytes of a stream, of which \(head) to \(tail) are possible")
        }
        head = found
        return tail &- head &+ need <= lane.capacity
    }

    /// Notes what ended the stream, and returns it. A server that closes has answered the call: then the slot's words may be a later call's, and say nothing.
    private func end(_ code: RingError.Code, _ detail: @autoclosure () -> String) -> RingError {
        let found =
            core.hasStage(call, ServerCore.Stage.streaming) || core.hasStage(call, ServerCore.Stage.answering)
            ? error(code, detail()) : wasAnswered
        ending = found
        return found
    }

    private var wasAnswered: RingError { error(.ended, "the call was answered already, when its server closed") }

    // MARK: Sending

    /// Begins a part, if there is room: where its bytes go. `commit` or `cancelPart` follows. Nil: there is none.
    private func beginNow(_ byteCount: Int) throws(RingError) -> UnsafeMutableRawPointer? {
        let size = StreamLane.recordSize(byteCount)
        guard try look(need(size)) else { return nil }
        guard core.take(call, from: ServerCore.Stage.streaming) else {
            ending = wasAnswered
            throw wasAnswered
        }
        return unsafe lane.place(size <= lane.rest(tail) ? tail : tail &+ lane.rest(tail)) + Int(SR_STREAM_HEADER_SIZE)
    }

    /// The part that was begun exists from now on. Wakes the client.
    private func commit(_ byteCount: Int) {
        let size = StreamLane.recordSize(byteCount)
        let rest = lane.rest(tail)
        if size > rest {
            // Relaxed: the tail's release store brings it.
            unsafe sr_store_relaxed_u64(lane.place(tail), sr_stream_header(SR_STREAM_LAP, 0))
            tail &+= rest
        }
        // Relaxed: as above.
        unsafe sr_store_relaxed_u64(lane.place(tail), sr_stream_header(SR_STREAM_PART, UInt32(truncatingIfNeeded: byteCount)))
        tail &+= size
        // SYNC: stream-tail (pairs with StreamReceiver.step): the records before.
        unsafe sr_store_release_u64(sr_stream_tail(lane.control), tail)
        core.wakeClient(call.slot)
        core.putBack(call, to: ServerCore.Stage.streaming)
    }

    /// Blocks until a part of so many bytes can be begun, and begins it. Throws `timedOut`, `cancelled`, and what ended the stream.
    private func begin(_ byteCount: Int, _ timeout: Duration?) throws(RingError) -> UnsafeMutableRawPointer {
        try requireUsable(byteCount)
        if let place = try unsafe beginNow(byteCount) { return unsafe place }
        let deadline = Deadline(after: timeout)
        core.cancelFlag.alsoWake(sleeper.word)
        defer { core.cancelFlag.forget(sleeper.word) }
        while true {
            needed = need(StreamLane.recordSize(byteCount))
            try onCalls { () throws(RingError) in
                try sleeper.wait(until: deadline, for: "room") { () throws(RingError) in
                    try news()
                } checkPeers: { () throws(RingError) in
                    try checkPeers()
                }
            }
            if let place = try unsafe beginNow(byteCount) { return unsafe place }
        }
    }

    private func news() throws(RingError) -> Void? {
        guard core.hasStage(call, ServerCore.Stage.streaming) else {
            ending = wasAnswered
            throw wasAnswered
        }
        return try look(needed) ? () : nil
    }

    private func checkPeers() throws(RingError) -> Void? {
        if let found: Void = try news() { return found }
        // The successor of a client that was killed stores a stop.
        if core.memory.isClientGone(call.slot) { throw end(.streamStopped, "its client has gone") }
        return nil
    }

    /// The same without holding a thread.
    private func beginWithoutThread(_ byteCount: Int, _ timeout: Duration?) async throws(RingError) -> UnsafeMutableRawPointer {
        try requireUsable(byteCount)
        if Task.isCancelled { throw error(.cancelled, "the task that sent parts was cancelled") }
        if let place = try unsafe beginNow(byteCount) { return unsafe place }
        let deadline = Deadline(after: timeout)
        core.cancelFlag.alsoWake(sleeper.word)
        defer { core.cancelFlag.forget(sleeper.word) }
        var emptyRounds = 0
        while true {
            needed = need(StreamLane.recordSize(byteCount))
            try await onCalls { () async throws(RingError) in
                try watch.occupy(self)
                try await watch.ready(self, until: deadline, "room")
            }
            try requireUsable(byteCount)
            if let place = try unsafe beginNow(byteCount) { return unsafe place }
            // What ended the wait may be the client's death.
            _ = try checkPeers()
            // An untrusted client stored a head and took it back: that must end as well, and not be a busy loop.
            emptyRounds += 1
            if Task.isCancelled { throw error(.cancelled, "the task that waited for room was cancelled") }
            if deadline.isPassed(at: sr_now_ns()) { throw error(.timedOut, "no room before the deadline") }
            if emptyRounds > 16 { try? await Task.sleep(for: .milliseconds(1)) }
        }
    }

    private func fill(_ place: UnsafeMutableRawPointer, with bytes: RawSpan) {
        let count = bytes.byteCount
        // SAFETY: the place has room for so many bytes, and is this server's until the tail is stored.
        unsafe bytes.withUnsafeBytes { if let source = $0.baseAddress { unsafe sr_copy(place, source, Int64(count)) } }
        commit(count)
    }

    /// Lets the body write a part. If it throws, there is none.
    private func fill(_ place: UnsafeMutableRawPointer, _ byteCount: Int, _ body: (inout MutableRawSpan) throws -> Void) throws {
        do {
            // SAFETY: as above. The span does not outlive the body.
            var span = unsafe MutableRawSpan(_unsafeStart: place, byteCount: byteCount)
            try body(&span)
        } catch {
            core.putBack(call, to: ServerCore.Stage.streaming)
            throw error
        }
        commit(byteCount)
    }

    func send(_ bytes: RawSpan, timeout: Duration?) throws(RingError) { unsafe fill(try begin(bytes.byteCount, timeout), with: bytes) }

    func send(_ byteCount: Int, timeout: Duration?, _ body: (inout MutableRawSpan) throws -> Void) throws {
        try unsafe fill(try begin(byteCount, timeout), byteCount, body)
    }

    /// False: there is no room now. A polling writer learns of its client's death here: see `checkNow`.
    func trySend(_ bytes: RawSpan) throws(RingError) -> Bool {
        try requireUsable(bytes.byteCount, mayWait: false)
        guard let place = try unsafe beginNow(bytes.byteCount) else {
            needed = need(StreamLane.recordSize(bytes.byteCount))
            try checkNow()
            return false
        }
        unsafe fill(place, with: bytes)
        return true
    }

    func sendWithoutThread(_ bytes: RawSpan, timeout: Duration?) async throws(RingError) {
        unsafe fill(try await beginWithoutThread(bytes.byteCount, timeout), with: bytes)
    }

    func sendWithoutThread(_ byteCount: Int, timeout: Duration?, _ body: (inout MutableRawSpan) throws -> Void) async throws {
        try unsafe fill(try await beginWithoutThread(byteCount, timeout), byteCount, body)
    }

    @safe @exclusivity(unchecked) private var nextCheck: Int64 = 0

    /// A writer that only polls asks once a check interval whether its client lives.
    private func checkNow() throws(RingError) {
        let now = sr_now_ns()
        guard now >= nextCheck else { return }
        let isFirst = nextCheck == 0
        nextCheck = now &+ sleeper.checkInterval
        if !isFirst { _ = try checkPeers() }
    }

    // MARK: The end

    /// Ends the stream with the call's reply. Throws `messageTooLarge`, and the stream goes on; `ended` if the server has closed; `forked`.
    func finish(_ how: UInt32, _ bytes: RawSpan) throws(RingError) { try core.answer(call, how, bytes, from: ServerCore.Stage.streaming) }

    /// Answers as failed (dropped), unless it was answered.
    func drop() { core.drop(call, from: ServerCore.Stage.streaming) }
}

extension StreamSender: Awaited {
    func prepareToWait() throws(RingError) { try core.memory.attachment.requireOwnProcess() }

    /// A look that ends the stream ends the wait as well: the owner finds the reason.
    func isReady() -> Bool {
        do throws(RingError) { return try news() != nil } catch { return true }
    }

    func isReadyOnCheckingPeers() -> Bool {
        do throws(RingError) { return try checkPeers() != nil } catch { return true }
    }

    func handOver(saying error: RingError) { refusal = error }
    func takeBack() { refusal = nil }
}
