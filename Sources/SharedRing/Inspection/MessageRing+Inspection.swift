// Examining the ring of a value: with or without a name, of one's own or not. Each is what the type of the same name reads.

extension MessageRing {
    /// What the ring looks like from outside: its header, the holders of its roles, its lanes. See ``RingReport``.
    ///
    /// Takes no role and maps nothing. O(lanes) system calls; it waits for nothing.
    ///
    /// - Throws: `replaced` or `notFound` if the ring has been removed since; `forked` in a child of the process that has the value;
    ///   `system`, and as ``open(_:options:)``.
    public func report() throws(RingError) -> RingReport { try RingReport(InspectedRing(handle)) }

    /// What state the ring is in, down to its records. See ``RingCheck``.
    ///
    /// Takes no role and maps nothing. O(lanes + records) system calls in the worst case; it waits for nothing.
    ///
    /// - Throws: as ``report()``.
    public func check() throws(RingError) -> RingCheck { try RingCheck(InspectedRing(handle)) }

    /// What the ring's users have counted: messages, bytes, waits and wakes. See ``RingStatistics``.
    ///
    /// Takes no role and maps nothing. O(lanes) system calls; it waits for nothing.
    ///
    /// - Throws: as ``report()``.
    public func statistics() throws(RingError) -> RingStatistics { try RingStatistics(InspectedRing(handle)) }

    /// Shows the ring's messages as they pass, without taking part. See ``RingTap``.
    ///
    /// - Parameters:
    ///   - start: where to begin in the lanes that are in use.
    ///   - isDataDumped: see ``EndpointOptions/isDataDumped``.
    /// - Throws: as ``report()``.
    public func tap(from start: RingTap.Start = .head, isDataDumped: Bool = false) throws(RingError) -> RingTap {
        try RingTap(InspectedRing(handle), from: start, isDataDumped: isDataDumped)
    }
}
