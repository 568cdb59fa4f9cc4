import CSharedRing

/// What was sent: runs of messages of one size, others one by one, and the checkpoints that say so to observers.
extension LaneWriter {
    /// Fewer messages of one size in a row than this are not worth being called a run.
    private static var shortestRun: UInt64 { 8 }

    /// Counts a message that is being committed, or leaves that to the end of its run. What its record takes.
    @inlinable
    @inline(__always)
    mutating func count(_ byteCount: Int) -> Int {
        if _fastPath(byteCount == runSize) { return runSpacing }
        if runSize != Self.mixed { endRun(byteCount) }
        if runSize != Self.mixed { return runSpacing }
        mixedMessages &+= 1
        mixedBytes &+= byteCount
        return Int(truncatingIfNeeded: shape.spacing(byteCount))
    }

    /// Another begins, with messages of `byteCount`; or none, if this one was none to speak of.
    @usableFromInline
    @inline(never)
    mutating func endRun(_ byteCount: Int) {
        let before = counted.messages
        settle()
        setRun(counted.messages &- before >= Self.shortestRun ? byteCount : Self.mixed)
    }

    private mutating func setRun(_ byteCount: Int) {
        runSize = byteCount
        runSpacing = Int(truncatingIfNeeded: shape.spacing(byteCount))
    }

    /// Where messages are counted one by one, it is tried now and then whether they are a run by now.
    mutating func tryRun() { if runSize == Self.mixed { setRun(averageSize) } }

    /// Counts the messages since the last time. Of a run all are of one size, so how far they reach says how many they are.
    mutating func settle() {
        let length = unsafe cursor - runStart
        if length == 0 { return }
        if runSize == Self.mixed {
            averageSize = mixedBytes / max(1, mixedMessages)
            counted.messages &+= UInt64(truncatingIfNeeded: mixedMessages)
            counted.byteCount &+= UInt64(truncatingIfNeeded: mixedBytes)
            (mixedMessages, mixedBytes) = (0, 0)
        } else {
            let count = UInt64(truncatingIfNeeded: length == runSpacing ? 1 : length / runSpacing)
            counted.messages &+= count
            counted.byteCount &+= count &* UInt64(truncatingIfNeeded: runSize)
        }
        counted.tail &+= UInt64(truncatingIfNeeded: length)
        unsafe runStart = cursor
    }

    /// Publishes what was sent until now, and the write limit, if either is news. Only while this side holds the lane's byte.
    mutating func publishCheckpoint() {
        settle()
        if counted == published { return }
        published = counted
        checkpoints.publish(published, endsWithEnd: positionAfterEnd == published.tail)
    }

    /// Counts what stands between the tail and an address, and makes that the tail: messages of a batch, or the end of a stream.
    @usableFromInline
    @inline(never)
    @unsafe
    mutating func book(messages: Int, byteCount: Int, to next: UnsafeMutableRawPointer) {
        let position = unsafe position(of: next)
        settle()
        counted.messages &+= UInt64(messages)
        counted.byteCount &+= UInt64(byteCount)
        counted.tail = position
        unsafe cursor = next
        unsafe runStart = next
    }
}
