import CBench

/// What a process has used so far, and the difference of two such states.
enum Usage {
    static var now: cb_usage {
        var usage = cb_usage()
        cb_usage_now(&usage)
        return usage
    }

    /// - Parameter calls: system calls while warming up.
    static func since(_ before: cb_usage, calls: Int64) -> cb_usage {
        let after = now
        return cb_usage(
            cpu_ns: after.cpu_ns - before.cpu_ns, involuntary: after.involuntary - before.involuntary,
            voluntary: after.voluntary - before.voluntary, calls: calls)
    }

    static func sum(_ usages: [cb_usage]) -> cb_usage {
        usages.reduce(into: cb_usage()) { sum, usage in
            sum.cpu_ns += usage.cpu_ns
            sum.involuntary += usage.involuntary
            sum.voluntary += usage.voluntary
            // One process that does not know its calls leaves the sum unknown.
            sum.calls = sum.calls < 0 || usage.calls < 0 ? -1 : sum.calls + usage.calls
        }
    }
}
