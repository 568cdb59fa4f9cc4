import CSharedRing

// What a process does to a board once: it takes a byte for a moment, and waits for that with a deadline.

extension Board {
    // MARK: Entries

    /// Adds an entry, or finds it there. A killed process leaves no part of an entry behind. Blocks while another process adds one; in a task
    /// the asynchronous form is meant.
    ///
    /// - Parameters:
    ///   - key: a text of 1 to 64 bytes of UTF-8 without NUL.
    ///   - capacity: its largest value, in bytes: 1 to 2^30. An entry that is there may have a larger one.
    ///   - timeout: how long to wait for other processes that add entries, or flush or remove the board: nil, for ever; zero, not at all.
    /// - Throws: `boardFull`; `differentShape` if it is there with a smaller capacity; `timedOut`, naming the process that holds the board; `invalidName`,
    ///   `invalidOption`, `poisoned`; as ``makeWriter(_:options:)``.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    public func addEntry(_ key: String, capacity: Int, timeout: Duration? = .seconds(10)) throws(RingError) {
        try onBoard { () throws(RingError) in try handle.add(Array(key.utf8), capacity, timeout) }
    }

    /// Adds an entry, as the form that blocks, on a thread that is started for it.
    public func addEntry(_ key: String, capacity: Int, timeout: Duration? = .seconds(10)) async throws(RingError) {
        try await onBoard { () async throws(RingError) in
            try await OwnThread.run(for: handle.ring) { [handle] () throws(RingError) in try handle.add(Array(key.utf8), capacity, timeout)
            }
        }
    }

    // MARK: Values

    /// Sets an entry's value once: takes the entry for a moment, and waits for that while another process holds it. Blocks meanwhile; in a task the
    /// asynchronous form is meant. Some thirty system calls: a process that sets an entry often makes a writer.
    ///
    /// - Parameters:
    ///   - key: of an entry that is there.
    ///   - bytes: the value, at most the entry's capacity.
    ///   - tag: anything; readers get it with the value.
    ///   - version: sets the value only if the newest one has this version; 0: if there is none yet; nil: in any case.
    ///   - timeout: how long to wait for the entry, and for a process that flushes or removes the board: nil, for ever; zero, not at all.
    /// - Returns: the value's version; nil: the newest value has another version than asked for, and the entry was left as it is.
    /// - Throws: `timedOut`, naming the process that holds the entry, or saying that a process kept the lock bytes of all entries, as one does that
    ///   flushes or removes the board; `messageTooLarge`; as ``makeWriter(_:options:)``.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    @discardableResult
    public func set(
        _ key: String, to bytes: [UInt8], tag: UInt32 = 0, ifVersion version: UInt64? = nil, timeout: Duration? = .seconds(10)
    ) throws(RingError) -> UInt64? {
        try onBoard { () throws(RingError) in try handle.set(Array(key.utf8), bytes, tag, version, timeout) }
    }

    /// Sets an entry's value to a text's UTF-8, once.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    @discardableResult
    public func set(
        _ key: String, to text: String, tag: UInt32 = 0, ifVersion version: UInt64? = nil, timeout: Duration? = .seconds(10)
    ) throws(RingError) -> UInt64? {
        try set(key, to: Array(text.utf8), tag: tag, ifVersion: version, timeout: timeout)
    }

    /// Sets an entry's value once, as the form that blocks, on a thread that is started for it.
    @discardableResult
    public func set(
        _ key: String, to bytes: [UInt8], tag: UInt32 = 0, ifVersion version: UInt64? = nil, timeout: Duration? = .seconds(10)
    ) async throws(RingError) -> UInt64? {
        try await onBoard { () async throws(RingError) in
            try await OwnThread.run(for: handle.ring) { [handle] () throws(RingError) in
                try handle.set(Array(key.utf8), bytes, tag, version, timeout)
            }
        }
    }

    /// Sets an entry's value to a text's UTF-8, once.
    @discardableResult
    public func set(
        _ key: String, to text: String, tag: UInt32 = 0, ifVersion version: UInt64? = nil, timeout: Duration? = .seconds(10)
    ) async throws(RingError) -> UInt64? {
        try await set(key, to: Array(text.utf8), tag: tag, ifVersion: version, timeout: timeout)
    }
}

extension BoardHandle {
    fileprivate func add(_ key: [UInt8], _ capacity: Int, _ timeout: Duration?) throws(RingError) {
        let plan = try BoardEntryPlan(key, capacity: capacity, ring: ring)
        let segment = try openSegment()
        let deadline = Deadline(after: timeout)
        let keeper = try retrying(until: deadline, pause: { sr_sleep_ns($0) }) { () throws(RingError) in
            try BoardKeeper(try attach(.board, of: segment, EndpointOptions(), until: deadline))
        }
        defer { keeper.close() }
        try keeper.add(plan)
    }

    fileprivate func set(
        _ key: [UInt8], _ bytes: [UInt8], _ tag: UInt32, _ version: UInt64?, _ timeout: Duration?
    ) throws(RingError) -> UInt64? {
        let deadline = Deadline(after: timeout)
        let segment = try openSegment()
        // Of the board that is there now: it may have been made anew, with more entries than this handle's had.
        let shape = try Self.requireBoard(segment.header, ring: ring)
        guard let facts = try BoardWriterCore.find(key, in: segment, self) else { throw noEntry(key) }
        guard bytes.count <= facts.capacity else {
            throw RingError(
                .messageTooLarge, ring: ring,
                "a value of \(counted(bytes.count, "byte")) does not fit entry '\(facts.name)', whose capacity is \(facts.capacity)")
        }
        // Where this process may not write the board, taking the entry says so.
        let control = try? Mapping.control(of: segment, ring: ring)
        // The entry's writer wakes its readers when it closes, and when it sets the value. There is no lock that could be waited for with a deadline.
        let writer = try retrying(
            until: deadline,
            pause: { nanoseconds in
                guard let control else { return sr_sleep_ns(nanoseconds) }
                // SAFETY: the word lies in that mapping, which is kept to the end of this closure.
                let blocks = unsafe BoardBlocks(control.mapping.base + control.offset, shape, ring: ring)
                let word = unsafe sr_entry_event_word(blocks.block(facts.number))
                _ = unsafe sr_futex_wait(word, EventCount.declareAsleep(word), sr_now_ns() &+ nanoseconds)
                withExtendedLifetime(control.mapping) {}
            }
        ) { () throws(RingError) in
            try BoardWriterCore(facts, in: segment, of: self, until: deadline)
        }
        defer { writer.close() }
        if let version, version != writer.version { return nil }
        // SAFETY: bytes have no padding.
        return try unsafe writer.set(bytes.span.bytes, tag)
    }

    /// Tries to take a role again while another process has it, in pauses of 1, 2, 4, 8 and then 16 ms.
    private func retrying<Taken>(
        until deadline: Deadline, pause: (_ nanoseconds: Int64) -> Void, _ take: () throws(RingError) -> Taken
    ) throws(RingError) -> Taken {
        var milliseconds: Int64 = 1
        while true {
            do throws(RingError) { return try take() } catch {
                guard error.code == .roleTaken else { throw error }
                let now = sr_now_ns()
                guard !deadline.isPassed(at: now) else { throw RingError(.timedOut, ring: ring, "\(error.detail), to the deadline") }
                pause(min(milliseconds * 1_000_000, deadline.nanoseconds &- now))
            }
            milliseconds = min(16, 2 * milliseconds)
        }
    }
}
