/// After which producers' ends the merged streams end as a whole. See ``MergingConsumer/Ending``.
struct ExpectedEnds: Sendable {
    /// How many producers have to have come. Less than 1 is taken for 1.
    let atLeast: Int
    /// Whether all count that attached since the ring was made.
    let includingEarlier: Bool
}
