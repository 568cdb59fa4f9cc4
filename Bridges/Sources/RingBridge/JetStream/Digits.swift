/// Decimal numbers in C strings, without allocation.
enum Digits {
    /// Writes the number at this index. Returns the index behind it. The buffer has room for 20 digits and a zero.
    static func write(_ number: UInt64, into buffer: inout [CChar], at start: Int) -> Int {
        var count = 1
        var rest = number / 10
        while rest > 0 {
            count += 1
            rest /= 10
        }
        rest = number
        var at = start + count
        while at > start {
            at -= 1
            buffer[at] = CChar(48 + rest % 10)
            rest /= 10
        }
        return start + count
    }

    static func terminate(_ buffer: inout [CChar], _ end: Int) { buffer[end] = 0 }

    /// Reads a number, and moves the index behind it. Nil if there is none, or one that is too large.
    static func read(_ bytes: UnsafeRawBufferPointer, at index: inout Int) -> UInt64? {
        var number: UInt64 = 0
        let start = index
        while index < bytes.count, bytes[index] >= 48, bytes[index] <= 57 {
            let (tenfold, a) = number.multipliedReportingOverflow(by: 10)
            let (sum, b) = tenfold.addingReportingOverflow(UInt64(bytes[index] - 48))
            guard !a, !b else { return nil }
            number = sum
            index += 1
        }
        return index > start ? number : nil
    }
}
