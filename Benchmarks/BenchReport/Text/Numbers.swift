/// A number with so many digits after the point.
package func decimal(_ value: Double, _ digits: Int) -> String {
    let scale = (0..<digits).reduce(1.0) { power, _ in power * 10 }
    let scaled = (value.magnitude * scale).rounded()
    guard scaled < 9e18 else { return value < 0 ? "-huge" : "huge" }
    let sign = value < 0 && scaled > 0 ? "-" : ""
    let number = UInt64(scaled)
    guard digits > 0 else { return sign + "\(number)" }
    let unit = UInt64(scale)
    let fraction = String(number % unit)
    return sign + "\(number / unit)." + String(repeating: "0", count: digits - fraction.count) + fraction
}

/// About three digits.
package func brief(_ value: Double) -> String {
    let size = value.magnitude
    return decimal(value, size >= 99.95 || size == 0 ? 0 : size >= 9.995 ? 1 : size >= 0.0995 ? 2 : size >= 0.00995 ? 3 : 4)
}

/// A duration, with its unit.
package func duration(_ nanoseconds: Double) -> String {
    switch nanoseconds {
    case ..<999.5: brief(nanoseconds) + " ns"
    case ..<999_500: brief(nanoseconds / 1e3) + " µs"
    case ..<999_500_000: brief(nanoseconds / 1e6) + " ms"
    default: brief(nanoseconds / 1e9) + " s"
    }
}

/// The same for a round number, without its zeros.
package func roundDuration(_ nanoseconds: Double) -> String {
    let words = duration(nanoseconds).split(separator: " ")
    return "\(withoutZeros(words[0])) \(words[1])"
}

/// About three digits, without zeros at the end.
package func roundNumber(_ value: Double) -> String { withoutZeros(brief(value)) }

private func withoutZeros(_ number: some StringProtocol) -> String {
    var text = String(number)
    guard text.contains(".") else { return text }
    while text.last == "0" { text.removeLast() }
    if text.last == "." { text.removeLast() }
    return text
}

/// A number of bytes, with its unit.
package func byteCount(_ bytes: Int) -> String {
    if bytes >= 1 << 20 && bytes % (1 << 20) == 0 { return "\(bytes >> 20) MiB" }
    if bytes >= 1 << 10 && bytes % (1 << 10) == 0 { return "\(bytes >> 10) KiB" }
    return "\(bytes) B"
}
