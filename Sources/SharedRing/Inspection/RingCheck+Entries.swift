import CSharedRing

extension RingCheck {
    /// What no process writes into a board that keeps the protocol. O(entries) system calls.
    static func damage(in shape: BoardShape, of segment: Segment, ring: String) throws(RingError) -> [Damage] {
        var damage: [Damage] = []
        var end = 0
        var isBehindEnd = false
        for number in 0..<shape.entryCount {
            let place = segment.header.entryOffset(number)
            func note(_ field: PartialKeyPath<sr_entry_control>, _ detail: String) {
                let offset = MemoryLayout<sr_entry_control>.offset(of: field)!
                damage.append(Damage(lane: nil, position: nil, fileOffset: place + offset, detail: detail))
            }
            let block = try segment.entryBlock(number, ring: ring)
            let facts: EntryFacts?
            do throws(RingError) { facts = try EntryFacts(checking: block, number, of: shape, ring: ring) } catch {
                note(\.state, error.detail)
                return damage  // where the next one has its values depends on this one
            }
            guard let facts else {
                isBehindEnd = true
                continue
            }
            if isBehindEnd { note(\.state, "entry \(number) is in use behind a free one, where no reader finds it") }
            if facts.dataOffset < end {
                note(
                    \.data_offset,
                    "entry \(number) has its values at \(facts.dataOffset), among those of the entry before, which end at \(end)")
            }
            end = facts.end(in: shape)
            guard let (header, turn) = try RingReport.newest(facts, of: segment, shape, ring: ring) else { continue }
            if turn >= EntryReader.firstImpossibleTurn {
                note(\.turn, "entry \(number) is in version \(turn), and no writer comes to 2^63")
            }
            if Int(sr_slot_byte_count(header.word)) > facts.capacity {
                note(
                    \.turn,
                    "entry \(number) has a value of \(sr_slot_byte_count(header.word)) bytes in version \(turn), and a capacity of \(facts.capacity)"
                )
            }
        }
        return damage
    }
}
