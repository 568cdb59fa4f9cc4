// Examining the call service of a value: with or without a name, of one's own or not. Each is what the type of the same name reads.

extension CallService {
    /// What the service looks like from outside: its header, its servers, its slots with their clients and calls. See ``RingReport``.
    ///
    /// Takes no role and maps nothing. O(slots + servers) system calls; it waits for nothing.
    ///
    /// - Throws: `replaced` or `notFound` if the service has been removed since; `forked` in a child of the process that has the value;
    ///   `system`, and as ``open(_:options:)``.
    public func report() throws(RingError) -> RingReport {
        try onCalls { () throws(RingError) in try RingReport(InspectedRing(handle)) }
    }

    /// What state the service is in, down to the words of its slots. See ``RingCheck``.
    ///
    /// Takes no role and maps nothing. O(slots + servers) system calls; it waits for nothing.
    ///
    /// - Throws: as ``report()``.
    public func check() throws(RingError) -> RingCheck {
        try onCalls { () throws(RingError) in try RingCheck(InspectedRing(handle)) }
    }
}
