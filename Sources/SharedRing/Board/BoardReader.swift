/// Reads one entry of a ``Board``. Make one with ``Board/makeReader(_:waiting:polling:options:)``.
///
/// Reading is loads and a copy: no system call, nothing that another process could wait for, nothing stored in the board. A value is whole, and never
/// older than one that this reader read before. The reader copies; if the entry was written anew meanwhile it begins again, a thousand times at
/// most. With a writer that does nothing else that is some one to four tries a read; a writer that is faster than a reader copies can make it throw
/// `writerTooFast`.
@safe
public struct BoardReader: ~Copyable, @unchecked Sendable {
    @usableFromInline let core: BoardReaderCore
    /// `core`'s state of its only entry, one load nearer.
    @usableFromInline let entry: UnsafeMutablePointer<EntryReader>

    // SAFETY, for this and the reads: the state stays where it is while `core` lives, which this reader owns. No other code uses it, since the reader
    // is borrowed exclusively and `isUsable` says that no waiter thread has it.
    init(_ core: BoardReaderCore) {
        self.core = core
        unsafe entry = core.firstEntry
    }

    /// The entry's key, repaired if it is not UTF-8.
    public var key: String { String(decoding: core.facts[0].key, as: UTF8.self) }

    /// The largest value, in bytes.
    public var capacity: Int { core.facts[0].capacity }

    /// The version of the newest value; 0: there is none yet. One load.
    public var version: UInt64 {
        get throws(RingError) {
            try onBoard { () throws(RingError) in
                try core.requireUsable()
                return core.version(0)
            }
        }
    }

    /// Whether this process may write the board and so is woken by a change. If not, a wait looks at intervals: see
    /// ``Board/makeReader(_:waiting:polling:options:)``.
    public var isWoken: Bool { core.board.canWait }

    /// A copy of the newest value; nil: there is none yet. Allocates. O(bytes).
    ///
    /// - Throws: `writerTooFast`; `poisoned` if the entry holds what no writer writes; `alreadyWaiting`, `forked`.
    public mutating func get() throws(RingError) -> BoardValue? {
        try onBoard { () throws(RingError) in try core.value(0) }
    }

    /// Copies the newest value to the front of a buffer. Does not allocate, and makes no call where it finds a whole value. O(bytes).
    ///
    /// - Returns: which value it is, and its size; nil: there is none yet.
    /// - Throws: `sizeMismatch` if the buffer is smaller than the value; as ``get()``. The buffer's contents are then undefined.
    @inlinable
    @inline(__always)
    public mutating func read(into buffer: inout MutableRawSpan) throws(RingError) -> BoardStamp? {
        let room = buffer.byteCount
        // SAFETY: the buffer is borrowed exclusively to the end of this call. An empty one may have no address; then nothing is copied.
        let target = unsafe buffer.withUnsafeMutableBytes { unsafe $0.baseAddress ?? UnsafeMutableRawPointer(entry) }
        if core.isUsable, let stamp = unsafe entry.pointee.readAtOnce(into: target, room: room) { return stamp }
        return try unsafe core.read(into: target, atMost: room)
    }

    /// The newest value as one value of a type of which any bytes are one; nil: there is none yet. Does not allocate.
    ///
    /// - Throws: `sizeMismatch` if the value has another size than the type; as ``get()``.
    @inlinable
    public mutating func value<Value: AnyBytes>(as type: Value.Type = Value.self) throws(RingError) -> Value? {
        // SAFETY: any bytes are a value.
        try unsafe readValue()
    }

    /// The newest value as one vector; nil: there is none yet. Does not allocate.
    ///
    /// - Throws: as `value` of another type.
    @inlinable
    public mutating func value<Vector: SIMD & BitwiseCopyable>(as type: Vector.Type = Vector.self) throws(RingError) -> Vector?
    where Vector.Scalar: AnyBytes {
        // SAFETY: any bytes are a vector of such numbers.
        try unsafe readValue()
    }

    /// Unsafe: of a type of which any bytes are a value.
    @unsafe
    @inlinable
    mutating func readValue<Value: BitwiseCopyable>() throws(RingError) -> Value? {
        var failure: RingError?
        let value = unsafe withUnsafeTemporaryAllocation(of: Value.self, capacity: 1) { place -> Value? in
            // SAFETY: the place has room for one value. If all its bytes were copied there, it is one, since any bytes are.
            let target = place.baseAddress!
            if core.isUsable,
                let stamp = unsafe entry.pointee.readAtOnce(into: UnsafeMutableRawPointer(target), room: MemoryLayout<Value>.size),
                stamp.byteCount == MemoryLayout<Value>.size
            {
                return unsafe target.pointee
            }
            do throws(RingError) {
                guard try unsafe core.read(0, into: UnsafeMutableRawPointer(target), exactly: MemoryLayout<Value>.size) else { return nil }
            } catch {
                failure = error
                return nil
            }
            return unsafe target.pointee
        }
        if let failure { throw failure }
        return value
    }

    // MARK: Changes

    /// Waits for a newer value than this reader knows: than the one that it read last, or whose change was reported last. Blocks the thread; in a task
    /// the asynchronous form is meant.
    ///
    /// Changes coalesce: of many changes only the last version is reported, and that is never missed.
    ///
    /// - Parameters:
    ///   - version: which version the caller knows: a newer one is waited for, also if no version has come so far yet. Nil: as above; 0: none.
    ///   - timeout: how long to wait: nil, for ever; zero, not at all.
    /// - Returns: the newest version.
    /// - Throws: `timedOut`, `cancelled`; `notFound` if the board was removed and its last value was reported; `poisoned`, also if the newest version is older than
    ///   one that was read or reported before; `alreadyWaiting`, `forked`.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    public mutating func nextChange(after version: UInt64? = nil, timeout: Duration? = nil) throws(RingError) -> UInt64 {
        try onBoard { () throws(RingError) in
            try core.requireUsable()
            if let version { core.setKnown(version, 0) }
            return try core.waitForChanges(until: Deadline(after: timeout))[0].version
        }
    }

    /// Waits for a newer value without holding a thread; otherwise as the form that blocks.
    ///
    /// - Throws: as the form that blocks; `cancelled` also if the task is cancelled; `system` if there is no thread that could wait for it.
    public mutating func nextChange(after version: UInt64? = nil, timeout: Duration? = nil) async throws(RingError) -> UInt64 {
        let core = core
        return try await onBoard { () async throws(RingError) in
            try core.requireUsable()
            if let version { core.setKnown(version, 0) }
            return try await core.waitForChangesWithoutThread(until: Deadline(after: timeout))[0].version
        }
    }

    /// Waits for a newer value and reads it: `nextChange` and ``get()``. Allocates. If it throws, the change does not count as reported.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    public mutating func next(timeout: Duration? = nil) throws(RingError) -> BoardValue {
        try onBoard { () throws(RingError) in try core.values(try core.waitForChanges(until: Deadline(after: timeout)))[0] }
    }

    /// Waits for a newer value without holding a thread, and reads it. Allocates.
    public mutating func next(timeout: Duration? = nil) async throws(RingError) -> BoardValue {
        let core = core
        return try await onBoard { () async throws(RingError) in
            try core.values(try await core.waitForChangesWithoutThread(until: Deadline(after: timeout)))[0]
        }
    }

    /// How often `read(into:)` has copied a value in vain: its tries are as many as its calls and these. For measurements.
    package var retries: UInt64 { core.retries }

    /// Ends waits from another thread.
    public var canceller: Canceller { Canceller(core.cancelFlag) }
}
