/// The kernel's lists of CPUs: "0-3,8".
package enum CPUList {
    /// nil if the text is no such list.
    package static func parse(_ text: some StringProtocol) -> [Int]? {
        var cpus: [Int] = []
        let trimmed = String(text.filter { !$0.isWhitespace })
        if trimmed.isEmpty { return [] }
        for part in trimmed.split(separator: ",", omittingEmptySubsequences: false) {
            let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
            guard let first = ends[0], first >= 0, ends.count <= 2, let last = ends[ends.count - 1], first <= last, last < 1 << 16
            else { return nil }
            cpus += first...last
        }
        return cpus
    }

    package static func text(_ cpus: [Int]) -> String {
        var parts: [ClosedRange<Int>] = []
        for cpu in cpus.sorted() {
            if let last = parts.last, last.upperBound + 1 >= cpu {
                parts[parts.count - 1] = last.lowerBound...cpu
            } else {
                parts.append(cpu...cpu)
            }
        }
        return parts.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }.joined(separator: ",")
    }
}
