/// What came of one situation.
struct Outcome {
    var instructions: UInt64 = 0
    /// Points of the operation: where memory had changed, and around system calls.
    var changes = 0
    var calls = 0
    /// How many copies were recovered, processes killed, processes held up.
    var images = 0
    var kills = 0
    var holds = 0
    var problems: [String] = []

    var points: Int { changes + calls }

    static func += (sum: inout Outcome, other: Outcome) {
        sum.instructions += other.instructions
        sum.changes += other.changes
        sum.calls += other.calls
        sum.images += other.images
        sum.kills += other.kills
        sum.holds += other.holds
        sum.problems += other.problems
    }
}
