import CSharedRing

/// A call whose reply has many parts, which come one after another. Make one with the `stream` of a ``CallClient``.
///
/// ```swift
/// var stream = try client.stream("every line", timeout: .seconds(10))
/// while try stream.next() { print(stream.text) }
/// ```
///
/// The parts are read in place: each is a view of the shared memory until the next one is asked for, and its room is the server's again then. A client that is slow
/// holds its server up. Parts that came before a server's death are read before the error is thrown.
///
/// A stream ends as every call does, once: with a reply, which ``takeReply()`` has, or with a ``CallError``. To stop it before, let go of it, or call ``stop()``: the server's
/// next part throws, and the slot is used again when the server has ended the call.
///
/// One thread or task at a time uses it. It holds one of its client's slots to its end.
@safe
public struct CallStream: ~Copyable, @unchecked Sendable {
    fileprivate enum Phase {
        case open(ClientSlot)
        /// The reply came. It has the slot.
        case ended
        /// The slot was given back.
        case failed(CallError)
    }

    private let addressOnly = AddressOnly()
    private let pool: ClientPool
    private let deadline: Deadline
    fileprivate var phase: Phase
    private var reply: CallReply?
    private var start: UnsafeRawPointer
    /// How many bytes the part has that was read last; 0 before the first, and behind the last.
    public private(set) var byteCount = 0
    private var nextCheck: Int64
    /// The call's name.
    public let token: CallToken

    // SAFETY, for every `unsafe` here: the bytes of a part lie in the slot's lane, which the pool keeps mapped; the count was checked. The server gets the room of a part
    // only when the next one is asked for, which needs this value for itself, as every view of the part needs it.

    init(_ pool: ClientPool, _ slot: ClientSlot, until deadline: Deadline) {
        self.pool = pool
        self.deadline = deadline
        phase = .open(slot)
        token = slot.token
        nextCheck = sr_now_ns() &+ slot.sleeper.checkInterval
        unsafe start = UnsafeRawPointer(pool.memory.lines)
    }

    deinit { if case .open(let slot) = phase { pool.abandon(slot) } }

    // MARK: Reading

    /// Goes on to the next part, and waits for it. The part before it is over. Blocks; in a task the asynchronous form is meant.
    ///
    /// - Returns: false behind the last part, once the call was replied to.
    /// - Throws: ``CallError``, behind the last part: the service refused, the server closed or is gone, … Before that at the stream's deadline, and when the client
    ///   is cancelled: then the call is given up. Each further call throws the same.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    public mutating func next() throws(CallError) -> Bool {
        guard let slot = try openSlot() else { return false }
        do throws(CallError) { return keep(try pool.nextPart(slot, until: deadline)) } catch { throw fail(error) }
    }

    /// Goes on to the next part, and waits for it without holding a thread. Throws as the form that blocks; a cancelled task gives the call up.
    public mutating func next() async throws(CallError) -> Bool {
        guard let slot = try openSlot() else { return false }
        do throws(CallError) { return keep(try await pool.nextPartWithoutThread(slot, until: deadline)) } catch { throw fail(error) }
    }

    /// Goes on to the next part if it is there. Never waits. The part before it is over. A system call once in a check interval while there is none.
    ///
    /// - Returns: false behind the last part, once the call was replied to. Nil: neither a part nor the end is there.
    /// - Throws: as `next`, without a look at the deadline.
    public mutating func nextIfAvailable() throws(CallError) -> Bool? {
        guard let slot = try openSlot() else { return false }
        do throws(CallError) {
            guard let found = try pool.nextPartNow(slot, &nextCheck) else { return nil }
            return keep(found)
        } catch {
            throw fail(error)
        }
    }

    /// Nil: the stream has ended.
    private mutating func openSlot() throws(CallError) -> ClientSlot? {
        byteCount = 0
        switch phase {
        case .open(let slot): return slot
        case .ended: return nil
        case .failed(let error): throw error
        }
    }

    private mutating func keep(_ found: consuming ClientPool.NextPart) -> Bool {
        switch consume found {
        case .part(let place, let count):
            unsafe start = place
            byteCount = count
            return true
        case .ended(let end):
            reply = consume end
            phase = .ended
            return false
        }
    }

    private mutating func fail(_ error: CallError) -> CallError {
        // In a forked child the slot is the parent's.
        phase = .failed(error)
        return error
    }

    /// The part's bytes, until the next one is asked for. An untrusted server may change them at any time.
    public var bytes: RawSpan {
        @_lifetime(borrow self)
        borrowing get {
            let span = unsafe RawSpan(_unsafeStart: start, byteCount: byteCount)
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }

    /// A copy of the part's bytes. Allocates the array. O(bytes).
    public var array: [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, count in
            if let base = buffer.baseAddress { unsafe sr_copy(base, start, Int64(byteCount)) }
            count = byteCount
        }
    }

    /// The part's bytes as text; what is not UTF-8 is repaired. Allocates. O(bytes).
    public var text: String { String(decoding: array, as: UTF8.self) }

    /// The part's bytes as one value; nil if it has another size.
    public func value<Value: AnyBytes>(as type: Value.Type = Value.self) -> Value? {
        guard byteCount == MemoryLayout<Value>.size else { return nil }
        // SAFETY: as above; any bytes are a value.
        return unsafe start.loadUnaligned(as: Value.self)
    }

    // MARK: The end

    /// The call's reply, once `next` has returned false: what the server ended the stream with. Nil before, and when it was taken already.
    public mutating func takeReply() -> CallReply? { reply.take() }

    /// Stops the stream: the call is withdrawn if no server has started it, or given up. As letting go of it does. Does not block; some system calls.
    public consuming func stop() {}
}

extension CallStream {
    /// The lane of a stream that is open. For tests.
    var lane: StreamLane? { if case .open(let slot) = phase { slot.stream?.lane } else { nil } }
}
