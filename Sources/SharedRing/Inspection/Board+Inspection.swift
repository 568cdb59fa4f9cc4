// Examining the board of a value: with or without a name, of one's own or not. Each is what the type of the same name reads.

extension Board {
    /// What the board looks like from outside: its header, its entries, the processes that set them. See ``RingReport``.
    ///
    /// Takes no role and maps nothing. O(entries) system calls; it waits for nothing.
    ///
    /// - Throws: `replaced` or `notFound` if the board has been removed since; `forked` in a child of the process that has the value;
    ///   `system`, and as ``open(_:options:)``.
    public func report() throws(RingError) -> RingReport {
        try onBoard { () throws(RingError) in try RingReport(InspectedRing(handle)) }
    }

    /// What state the board is in, down to its entries. See ``RingCheck``.
    ///
    /// Takes no role and maps nothing. O(entries) system calls; it waits for nothing.
    ///
    /// - Throws: as ``report()``.
    public func check() throws(RingError) -> RingCheck {
        try onBoard { () throws(RingError) in try RingCheck(InspectedRing(handle)) }
    }
}
