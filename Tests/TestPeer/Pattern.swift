import Foundation
import SharedRing

/// Pseudo-random numbers from a seed: a failing run can be repeated.
public struct SplitMix: RandomNumberGenerator, Sendable {
    private var state: UInt64

    public init(seed: UInt64) { state = seed }

    public mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}

/// Messages whose sizes and contents both sides derive from the same seed. Contents are slices of one block of noise, so
/// that checking them costs a comparison of memory even in a debug build.
public struct Pattern: Sendable {
    private static let noise: [UInt8] = {
        var random = SplitMix(seed: 0x5eed)
        return (0..<(1 << 17)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    }()

    private var random: SplitMix
    private let largest: Int
    public private(set) var size = 0
    public private(set) var tag: UInt32 = 0
    private var start = 0

    /// Sizes from 0 to `largest`, small ones more often than large ones.
    public init(seed: UInt64, largest: Int) {
        random = SplitMix(seed: seed)
        self.largest = largest
        precondition(largest <= 1 << 16)
    }

    /// Steps to the next message.
    public mutating func advance() {
        let bits = random.next()
        let bound = UInt64(bits & 7 == 0 ? largest : bits & 1 == 0 ? min(largest, 24) : min(largest, 200))
        size = Int((bits >> 8) % (bound + 1))
        start = Int((bits >> 32) & 0xffff)
        tag = UInt32(truncatingIfNeeded: bits >> 29)
    }

    /// The bytes of the current message.
    public func withBytes<Result, Failure: Error>(_ body: (UnsafeRawBufferPointer) throws(Failure) -> Result) throws(Failure) -> Result {
        let range = start..<(start + size)
        return try Self.noise.withUnsafeBufferPointer { (noise) throws(Failure) in
            try body(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(noise)[range]))
        }
    }

    /// Whether these are the current message's bytes.
    public func matches(_ message: borrowing Message) -> Bool {
        guard message.byteCount == size, message.tag == tag else { return false }
        return withBytes { expected in message.bytes.withUnsafeBytes { $0.elementsEqualMemory(expected) } }
    }
}

extension UnsafeRawBufferPointer {
    func elementsEqualMemory(_ other: UnsafeRawBufferPointer) -> Bool {
        count == other.count && (count == 0 || memcmp(baseAddress!, other.baseAddress!, count) == 0)
    }
}
