extension Outcome {
    var gigabytesPerSecond: Double { (figures.messagesPerSecond ?? 0) * Double(test.size) / 1e9 }

    /// One object on one line; the keys are those of BENCHMARKING.
    var json: String {
        let figures = figures
        var pairs = [
            "\"transport\":\"\(test.transport.rawValue)\"", "\"mode\":\"\(test.mode.rawValue)\"", "\"size\":\(test.size)",
            "\"count\":\(test.count)", "\"wait\":\"\(test.wait.name)\"", "\"cpus\":\"\(test.cpuText)\"",
            "\"capacity\":\(test.capacity)", "\"batch\":\(test.batch)",
        ]
        pairs += test.crowd?.jsonPairs ?? []
        if let latency = figures.latency {
            pairs += [
                ("p50_ns", latency.p50), ("p90_ns", latency.p90), ("p99_ns", latency.p99), ("p999_ns", latency.p999),
                ("p9999_ns", latency.p9999), ("max_ns", latency.largest),
            ].map { "\"\($0)\":\(decimal($1, 1))" }
        } else {
            pairs.append("\"msgs_per_s\":\(decimal(figures.messagesPerSecond ?? 0, 0))")
            pairs.append("\"GB_per_s\":\(decimal(gigabytesPerSecond, 6))")
        }
        pairs.append("\"cpu_ns_per_msg\":\(decimal(figures.cpuPerMessage, 2))")
        pairs.append("\"involuntary_switches\":\(figures.involuntarySwitches)")
        return "{" + pairs.joined(separator: ",") + "}"
    }
}

/// A number with so many digits after the point.
func decimal(_ value: Double, _ digits: Int) -> String {
    let scale = (0..<digits).reduce(1) { power, _ in power * 10 }
    let scaled = Int((value.magnitude * Double(scale)).rounded())
    let sign = value < 0 && scaled > 0 ? "-" : ""
    guard digits > 0 else { return sign + "\(scaled)" }
    let fraction = String(scaled % scale)
    return sign + "\(scaled / scale)." + String(repeating: "0", count: digits - fraction.count) + fraction
}
