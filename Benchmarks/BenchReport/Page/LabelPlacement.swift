/// Puts labels beside each other that would lie on each other, as near as can be to where they belong.
enum LabelPlacement {
    private struct Block {
        var wanted: [Double]
        var gap: Double
        /// Of its first label, so that on the average all lie where they belong.
        var start: Double { wanted.enumerated().reduce(0) { $0 + $1.element - Double($1.offset) * gap } / Double(wanted.count) }
        var height: Double { Double(wanted.count) * gap }
    }

    /// - Parameters:
    ///   - wanted: where each belongs.
    ///   - gap: the least distance of two.
    /// - Returns: where each goes, in the same order.
    static func places(_ wanted: [Double], gap: Double, in range: ClosedRange<Double>) -> [Double] {
        let order = wanted.indices.sorted { wanted[$0] < wanted[$1] }
        var blocks: [Block] = []
        for index in order {
            blocks.append(Block(wanted: [wanted[index]], gap: gap))
            while blocks.count > 1,
                start(blocks[blocks.count - 2], in: range) + blocks[blocks.count - 2].height > start(blocks[blocks.count - 1], in: range)
            {
                let last = blocks.removeLast()
                blocks[blocks.count - 1].wanted += last.wanted
            }
        }
        let sorted = blocks.flatMap { block in block.wanted.indices.map { start(block, in: range) + Double($0) * gap } }
        var places = wanted
        for (place, index) in zip(sorted, order) { places[index] = place }
        return places
    }

    private static func start(_ block: Block, in range: ClosedRange<Double>) -> Double {
        max(range.lowerBound, min(block.start, range.upperBound - block.height + block.gap))
    }
}
