/// Where a case's decisions come from: a seed, or the bytes a coverage-guided fuzzer made up.
struct Choices {
    private var state: UInt64
    private var bytes: UnsafeRawBufferPointer?

    init(seed: UInt64) { state = seed }

    init(bytes: UnsafeRawBufferPointer) {
        state = 0
        self.bytes = bytes
    }

    /// Whether the bytes are used up; from then on every decision is 0.
    var isExhausted: Bool { bytes?.isEmpty ?? false }

    mutating func word() -> UInt64 { bytes == nil ? random() : taken(8) }

    /// 0 to `count` - 1.
    mutating func below(_ count: Int) -> Int {
        guard count > 1 else { return 0 }
        let word = bytes == nil ? random() >> 16 : taken(count <= 1 << 8 ? 1 : count <= 1 << 16 ? 2 : 4)
        return Int(word % UInt64(count))
    }

    mutating func once(in count: Int) -> Bool { below(count) == count - 1 }

    /// SplitMix64.
    private mutating func random() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }

    private mutating func taken(_ count: Int) -> UInt64 {
        guard let rest = bytes else { return 0 }
        let word = rest.prefix(count).reduce(0) { word, byte in word << 8 | UInt64(byte) }
        bytes = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
        return word
    }
}
