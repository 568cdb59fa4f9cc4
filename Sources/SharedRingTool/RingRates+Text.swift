import SharedRing

/// Rates for people: a heading, a line for each lane that does something, one for the others, and one for the consumer.
extension RingRates {
    var lines: [String] {
        let report = statistics.report
        // A ring's only lane is shown even when it does nothing.
        let shown = lanes.filter { !$0.isIdle || lanes.count == 1 }
        let idle = lanes.count == 1 ? [] : lanes.filter(\.isIdle)

        var rows = [["", "messages/s", "MB/s", "backlog", "", "full/s", "sleeps/s", "wakes/s", "holder"]]
        rows += shown.map { row(report.title(ofLane: $0.statistics.number), $0) }
        if lanes.count > 1 {
            rows.append(
                cells("all lanes", total, backlog, of: report.capacity * lanes.count)
                    + [counted(report.attachedProducers, "producer") + " attached"])
        }
        // It sends nothing; those that it wakes are the producers.
        if report.hasConsumer {
            rows.append(
                ["consumer", "", "", "", "", "", count(consumerSleeps), count(total.producerWakes), report.consumer.shortText])
        }
        rows += report.subscribers.map(row)

        var lines = ["ring '\(report.fileName)' (\(report.shortShape)), over \(decimal(seconds)) s"]
        lines += aligned(rows)
        if lanes.isEmpty { lines.append("  no producer has attached yet") }
        if !idle.isEmpty {
            let attached = idle.count { $0.statistics.producer.presence == .attached }
            let producers = attached == 0 ? "" : "; \(counted(attached, "producer")) attached"
            lines.append("  idle: \(counted(idle.count, "lane")) (\(ranges(idle.map(\.statistics.number))))\(producers)")
        }
        return lines
    }

    /// A subscriber: what it holds, and its holder.
    private func row(_ subscriber: RingReport.Subscriber) -> [String] {
        let share = "\(decimal(100 * Double(subscriber.backlog) / Double(statistics.report.capacity)))%"
        let kind = subscriber.isDurable ? ", durable" : subscriber.isSoftGated ? ", soft gate, missed \(subscriber.missed)" : ""
        let who =
            subscriber.role.shortText + kind + (subscriber.holdsPublisherUp ? ", holds the publisher up" : "")
        return [subscriber.title, "", "", SizeNotation.text(subscriber.backlog), share, "", "", "", who]
    }

    private func row(_ title: String, _ lane: Lane) -> [String] {
        cells(title, lane.rates, lane.statistics.backlog, of: statistics.report.capacity) + [lane.statistics.producer.shortText]
    }

    private func cells(_ title: String, _ rates: Rates, _ backlog: Int, of capacity: Int) -> [String] {
        [
            title, count(rates.messages), decimal(rates.byteCount / 1e6), SizeNotation.text(backlog),
            "\(decimal(100 * Double(backlog) / Double(capacity)))%", count(rates.full), count(rates.sleeps), count(rates.wakes),
        ]
    }

    /// What usual numbers take, so that columns stay where they are while numbers change.
    private static let leastWidths = [9, 11, 8, 9, 6, 8, 8, 8, 0]

    /// The first column and the last to the left, numbers to the right.
    private func aligned(_ rows: [[String]]) -> [String] {
        let widths = rows[0].indices.map { column in rows.reduce(Self.leastWidths[column]) { max($0, $1[column].count) } }
        return rows.map { row in
            var line = "  "
            for (column, cell) in row.enumerated() {
                let gap = String(repeating: " ", count: widths[column] - cell.count)
                switch column {
                case 0: line += cell + gap
                case row.count - 1: line += "  " + cell
                default: line += "  " + gap + cell
                }
            }
            return line
        }
    }

    /// A rate that is counted in whole things. A forged counter may give one that no integer holds.
    private func count(_ value: Double) -> String {
        if value > 0, value < 9.95 { return decimal(value) }
        guard let whole = UInt64(exactly: value.rounded()) else { return "\(value)" }
        var text = ""
        for (index, digit) in String(whole).reversed().enumerated() {
            if index > 0, index % 3 == 0 { text.append(",") }
            text.append(digit)
        }
        return String(text.reversed())
    }

    /// With one decimal.
    private func decimal(_ value: Double) -> String {
        let tenths = (value * 10).rounded()
        guard let whole = UInt64(exactly: tenths) else { return "\(value)" }
        return "\(whole / 10).\(whole % 10)"
    }

    /// "1, 3-5".
    private func ranges(_ numbers: [Int]) -> String {
        var runs: [ClosedRange<Int>] = []
        for number in numbers {
            if let last = runs.last, last.upperBound + 1 == number {
                runs[runs.count - 1] = last.lowerBound...number
            } else {
                runs.append(number...number)
            }
        }
        return runs.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }.joined(separator: ", ")
    }
}

extension RingReport.Role {
    /// "process 12 (send)", "died: process 12 (send)", "never came".
    fileprivate var shortText: String {
        guard let holder, presence != .neverCame else { return presence.rawValue }
        let who = holder.description.printable
        return presence == .attached ? who : "\(presence.rawValue): \(who)"
    }
}
