import CSharedRing

/// Names one call: by the segment, the slot and the call's number in the slot.
///
/// A client that was told that the outcome of a call is unknown, or still open, may make the call again with the first one's token. A service that keeps
/// tokens with its results then finds out that it has carried the request out before. The library itself keeps none.
///
/// A slot's numbers begin anew after 2^32 calls: keep tokens for a time, not for ever.
public struct CallToken: Sendable, Hashable, LosslessStringConvertible {
    let instanceHigh: UInt64
    let instanceLow: UInt64
    /// The slot through which the call was made.
    public let slot: Int
    /// The call's number in the slot.
    public let number: UInt32

    init(_ instance: SegmentHeader.Instance, slot: Int, number: UInt32) {
        instanceHigh = instance.high
        instanceLow = instance.low
        self.slot = slot
        self.number = number
    }

    /// The segment, as in ``RingReport/instance``: 32 hexadecimal digits.
    public var instance: String { SegmentHeader.Instance(high: instanceHigh, low: instanceLow).text }

    /// Instance, slot and number, separated by colons.
    public var description: String { "\(instance):\(slot):\(number)" }

    /// A token from its ``description``; nil if the text is none.
    public init?(_ description: String) {
        let parts = description.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0].utf8.count == 32, let high = UInt64(parts[0].prefix(16), radix: 16),
            let low = UInt64(parts[0].suffix(16), radix: 16), let slot = UInt32(parts[1]), let number = UInt32(parts[2])
        else { return nil }
        instanceHigh = high
        instanceLow = low
        self.slot = Int(slot)
        self.number = number
    }

    /// As it stands in a slot's second line, behind the request that says so. Each word is loaded once.
    init(in line: UnsafeMutablePointer<sr_call_line>) {
        // SAFETY: three words of the line. Relaxed: the load of the request has brought them.
        let place = unsafe UnsafeMutableRawPointer(sr_call_token(line))
        unsafe instanceHigh = sr_load_relaxed_u64(place)
        unsafe instanceLow = sr_load_relaxed_u64(place + 8)
        let rest = unsafe sr_load_relaxed_u64(place + 16)
        slot = Int(UInt32(truncatingIfNeeded: rest))
        number = UInt32(truncatingIfNeeded: rest >> 32)
    }

    /// Stores it in a slot's second line, before the request that says so.
    func store(in line: UnsafeMutablePointer<sr_call_line>) {
        // SAFETY: the slot's client, whose slot is quiet, is the only one that writes there. Relaxed: the request's release store brings them.
        let place = unsafe UnsafeMutableRawPointer(sr_call_token(line))
        unsafe sr_store_relaxed_u64(place, instanceHigh)
        unsafe sr_store_relaxed_u64(place + 8, instanceLow)
        unsafe sr_store_relaxed_u64(place + 16, UInt64(truncatingIfNeeded: slot) & 0xffff_ffff | UInt64(number) << 32)
    }
}
