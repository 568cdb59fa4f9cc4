/// Sizes as people write them: `4096`, `64K`, `64KiB`, `1M`; K is 1024.
enum SizeNotation {
    /// Nil for what is no size.
    static func bytes(_ word: String) -> Int? {
        let digits = word.prefix { $0.isASCII && $0.isNumber }
        guard let number = Int(digits) else { return nil }
        let shift: Int
        switch word.dropFirst(digits.count).lowercased() {
        case "", "b": shift = 0
        case "k", "kb", "kib": shift = 10
        case "m", "mb", "mib": shift = 20
        case "g", "gb", "gib": shift = 30
        default: return nil
        }
        let (bytes, overflow) = number.multipliedReportingOverflow(by: 1 << shift)
        return overflow ? nil : bytes
    }

    /// "12 B", "1.5 MiB".
    static func text(_ bytes: Int) -> String {
        var unit = 1
        var name = "B"
        for next in ["KiB", "MiB", "GiB", "TiB"] where bytes / unit >= 1024 {
            unit *= 1024
            name = next
        }
        if unit == 1 { return "\(bytes) B" }
        let tenths = bytes / unit * 10 + bytes % unit * 10 / unit
        return "\(tenths / 10).\(tenths % 10) \(name)"
    }
}

/// Durations as people write them: `500ms`, `2s`, `1.5m`, `1h`; a plain number is seconds.
enum DurationNotation {
    /// Nil for what is no duration.
    static func duration(_ word: String) -> Duration? {
        let digits = word.prefix { $0 == "." || ($0.isASCII && $0.isNumber) }
        guard let number = Double(String(digits)) else { return nil }
        let seconds: Double
        switch word.dropFirst(digits.count) {
        case "us": seconds = 1e-6
        case "ms": seconds = 1e-3
        case "", "s": seconds = 1
        case "m", "min": seconds = 60
        case "h": seconds = 3600
        default: return nil
        }
        // Three hundred years; more than that can't be put into nanoseconds.
        guard number * seconds < 1e10 else { return nil }
        return .seconds(number * seconds)
    }
}
