import CSharedRing

/// What all batches counted.
struct Totals: CustomStringConvertible {
    private var counts = [UInt64](repeating: 0, count: Tally.Count.allCases.count)
    private let began = sr_now_ns()

    subscript(count: Tally.Count) -> UInt64 { counts[count.rawValue] }

    mutating func add(_ memory: UnsafeMutableRawPointer) {
        for slot in 0..<Tally.slots {
            for count in Tally.Count.allCases { counts[count.rawValue] &+= Tally(memory, slot: slot)[count] }
        }
    }

    var description: String {
        let facts = Tally.Count.allCases.filter { $0 != .seed }.map { "\($0) \(self[$0])" }
        return facts.joined(separator: ", ") + ", \((sr_now_ns() - began) / 1_000_000) ms, no crash, no hang"
    }
}
