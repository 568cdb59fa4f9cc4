import Synchronization

/// What the feed has brought: for every feeder, from which number to which, and whether they came without a gap.
final class Board: Sendable {
    private struct Row: Sendable {
        let first: Int
        var next: Int
        var isInOrder = true
    }

    private let rows = Mutex([UInt32: Row]())

    func note(_ number: Int?, of feeder: UInt32) {
        let number = number ?? -1
        rows.withLock { rows in
            var row = rows[feeder] ?? Row(first: number, next: number)
            if number != row.next { row.isInOrder = false }
            row.next += 1
            rows[feeder] = row
        }
    }

    /// "1:0-5000 2:0-120", by feeder: the first number, and the one that is expected next, or `gap`.
    var text: String {
        rows.withLock { rows in
            rows.sorted { $0.key < $1.key }.map { "\($0.key):\($0.value.first)-\($0.value.isInOrder ? "\($0.value.next)" : "gap")" }
                .joined(separator: " ")
        }
    }
}
