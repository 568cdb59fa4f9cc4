import Synchronization

/// What the feed has brought: for every feeder, how many numbers, and whether they came without a gap.
final class Board: Sendable {
    struct Row: Sendable {
        var count = 0
        var isInOrder = true
    }

    private let rows = Mutex([UInt32: Row]())

    func note(_ number: Int?, of feeder: UInt32) {
        rows.withLock { rows in
            var row = rows[feeder] ?? Row()
            if number != row.count { row.isInOrder = false }
            row.count += 1
            rows[feeder] = row
        }
    }

    /// "1:5000 2:120", by feeder; a `!` behind a count that has gaps.
    var text: String {
        rows.withLock { rows in
            rows.sorted { $0.key < $1.key }.map { "\($0.key):\($0.value.count)\($0.value.isInOrder ? "" : "!")" }.joined(separator: " ")
        }
    }
}
