// For the fuzzer and the tests, after each of their operations. An endpoint's state is its own: whatever other processes write, these hold.

extension Producer {
    /// The first invariant of this producer's state that does not hold, in words; nil if all do.
    package mutating func checkInvariants() -> String? { unsafe writer.pointee.checkInvariants() }
}

extension Consumer {
    /// The first invariant of this consumer's state that does not hold, in words; nil if all do.
    package mutating func checkInvariants() -> String? { unsafe reader.pointee.checkInvariants() }
}

extension MergingConsumer {
    /// The first invariant of this consumer's state that does not hold, in words; nil if all do.
    package mutating func checkInvariants() -> String? { core.checkInvariants() }
}

extension Subscriber {
    /// The first invariant of this subscriber's state that does not hold, in words; nil if all do. A lossy one reads its own memory: it has none of a lane.
    package mutating func checkInvariants() -> String? {
        core.subscription?.isLossy == true ? nil : unsafe reader.pointee.checkInvariants()
    }
}
