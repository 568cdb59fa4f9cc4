/// What happened, in memory that the parent sees, so that it survives a crash. One writer each.
struct Tally {
    enum Count: Int, CaseIterable {
        case seed, cases, mutations, opened, refused, attached, turnedAway, sent, received, bytes, failures, poisoned
        case inspected, uninspectable, damages, tapped, removed
    }

    static let slots = 8
    static let slotSize = 512
    static let size = slots * slotSize

    private let words: UnsafeMutablePointer<UInt64>

    /// `memory`: `size` bytes of zeros, or what another process counts there.
    init(_ memory: UnsafeMutableRawPointer, slot: Int) {
        words = (memory + slot * Self.slotSize).assumingMemoryBound(to: UInt64.self)
    }

    subscript(count: Count) -> UInt64 {
        get { words[count.rawValue] }
        nonmutating set { words[count.rawValue] = newValue }
    }

    func add(_ count: Count, _ more: Int = 1) { self[count] &+= UInt64(more) }
}
