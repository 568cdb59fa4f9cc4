import CSharedRing

extension LaneMerger {
    /// The first invariant that does not hold, in words; nil if all do. For tests and fuzzers, between two calls. See the list at the type.
    func checkInvariants() -> String? {
        let table = unsafe table
        let count = unsafe table.pointee.count
        guard count == lanes.count else { return "\(lanes.count) lanes have \(count) rows" }
        let known = unsafe table.pointee.known.reduce(0) { $0 + $1.nonzeroBitCount }
        guard known == lanes.count + brokenLanes.count else {
            return "\(known) lanes are known, \(lanes.count) are set up, and broken are \(brokenLanes)"
        }

        let current = unsafe table.pointee.current
        let budget = unsafe cursor.pointee.budget
        guard budget >= 0 else { return "the cursor's budget is \(budget)" }
        if budget > 0 {
            guard phase.isOwned else { return "the cursor has a budget, and its owner has not this side" }
            guard let current, unsafe cursor.pointee.lane == table.pointee.rows[current].reader else {
                return "the cursor has a budget, and not the lane in hand"
            }
        }

        for index in 0..<count {
            let reader = unsafe table.pointee.rows[index].reader
            guard unsafe reader == lanes[index].reader else { return "row \(index) is not lane \(lanes[index].number)'s" }
            if let broken = unsafe reader.pointee.checkInvariants() { return "lane \(lanes[index].number): \(broken)" }
            guard unsafe index == current || table.pointee.cursors[index] == reader.pointee.cursor else {
                return "lane \(lanes[index].number) is looked at where its head is not"
            }
            guard unsafe !isAbandoned(index) || reader.pointee.poison != nil else {
                return "lane \(lanes[index].number) is abandoned, and not poisoned"
            }
        }
        return nil
    }
}
