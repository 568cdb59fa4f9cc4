/// Comparing a segment that is there with what was asked for.
extension SegmentHeader {
    /// Throws `differentShape` if it differs from `wanted`, which is of the same kind, in one of the traits, naming all that differ.
    func requireTraits(_ traits: RingOptions.Traits, of wanted: SegmentHeader, ring: String) throws(RingError) {
        var differences: [String] = []
        func compare<Value: Equatable>(_ trait: RingOptions.Traits, _ what: String, _ found: Value, _ asked: Value) {
            if traits.contains(trait), found != asked { differences.append("its \(what) is \(found), not \(asked)") }
        }
        compare(.capacity, "capacity in bytes", laneCapacity, wanted.laneCapacity)
        compare(.laneCount, "lane count", laneCount, wanted.laneCount)
        compare(.order, "order", order, wanted.order)
        compare(.recordAlignment, "record alignment", recordAlignment, wanted.recordAlignment)
        compare(.subscriberCount, "number of subscribers", slotCount, wanted.slotCount)
        if let found = board, let asked = wanted.board {
            compare(.boardShape, "number of entries", found.entryCount, asked.entryCount)
            compare(.boardShape, "size of all values in bytes", found.dataSize, asked.dataSize)
            compare(.boardShape, "keeping of the time", found.keepsTime, asked.keepsTime)
        }
        if let found = call, let asked = wanted.call {
            compare(.callShape, "number of slots for clients", found.slotCount, asked.slotCount)
            compare(.callShape, "number of places for servers", found.serverCount, asked.serverCount)
            compare(.callShape, "largest request in bytes", found.requestCapacity, asked.requestCapacity)
            compare(.callShape, "largest reply in bytes", found.replyCapacity, asked.replyCapacity)
            compare(.callShape, "capacity for streams in bytes", found.streamCapacity, asked.streamCapacity)
        }
        guard differences.isEmpty else {
            throw RingError(
                .differentShape, ring: ring, "it is there already, and not as it has to be: \(differences.joined(separator: "; "))")
        }
    }

    private var order: String { isTotallyOrdered ? "total" : "per producer" }
}
