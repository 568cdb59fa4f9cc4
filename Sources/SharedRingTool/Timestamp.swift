import Glibc

/// A moment in UTC, as the segment keeps it.
struct Timestamp {
    private let nanoseconds: Int64

    /// - Parameter nanoseconds: since 1970.
    init(_ nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    /// "2026-02-03T04:05:06.000000789Z".
    var iso: String {
        let digits = String(fraction)
        return formatted("%Y-%m-%dT%H:%M:%S") + "." + String(repeating: "0", count: 9 - digits.count) + digits + "Z"
    }

    /// "2026-02-03 04:05:06 UTC".
    var text: String { formatted("%Y-%m-%d %H:%M:%S UTC") }

    private var fraction: Int64 {
        let rest = nanoseconds % 1_000_000_000
        return rest < 0 ? rest + 1_000_000_000 : rest
    }

    private func formatted(_ format: String) -> String {
        // Rounded down. The time may be an untrusted peer's: to subtract the fraction first would trap on the earliest there are.
        var seconds = time_t(nanoseconds / 1_000_000_000) - (nanoseconds % 1_000_000_000 < 0 ? 1 : 0)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { buffer in
            let count = strftime(buffer.baseAddress!, buffer.count, format, &parts)
            return String(decoding: buffer.prefix(count).lazy.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
    }
}
