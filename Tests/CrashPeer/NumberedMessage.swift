/// A message that can be checked: what it says of itself, then a pattern to its end.
struct NumberedMessage: Equatable, CustomStringConvertible {
    static let smallest = 16

    let lane: UInt32
    /// Counts the messages of a lane.
    let number: UInt32
    /// A send that returned before another began has no larger one.
    let order: UInt32

    var description: String { "\(lane):\(number)" }

    func bytes(_ size: Int = smallest) -> [UInt8] {
        var bytes = [number, lane, order, UInt32(size)].flatMap { word in withUnsafeBytes(of: word, Array.init) }
        for index in bytes.count..<max(size, bytes.count) { bytes.append(pattern(index)) }
        return bytes
    }

    /// Nil: not what was sent.
    init?(_ bytes: [UInt8], tag: UInt32, lane: Int) {
        guard bytes.count >= Self.smallest else { return nil }
        let words = (0..<4).map { index in bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: index * 4, as: UInt32.self) } }
        self.init(lane: words[1], number: words[0], order: words[2])
        guard words[3] == bytes.count, tag == number, lane == words[1] else { return nil }
        for index in Self.smallest..<bytes.count where bytes[index] != pattern(index) { return nil }
    }

    init(lane: UInt32, number: UInt32, order: UInt32) {
        self.lane = lane
        self.number = number
        self.order = order
    }

    /// Never 0, so that a byte that was not written shows.
    private func pattern(_ index: Int) -> UInt8 { UInt8(truncatingIfNeeded: UInt32(index) &* 7 &+ number &* 31 &+ lane) | 1 }
}
