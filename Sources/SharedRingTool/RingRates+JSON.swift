import SharedRing

/// Rates and counts for programs. The keys stay as they are; more may come.
extension RingRates {
    var json: JSON {
        let report = statistics.report
        return .object([
            "name": .string(report.fileName.label),
            "name_bytes": .hexadecimal(report.fileName.bytes),
            "directory": .string(report.directory),
            "directory_bytes": .hexadecimal(report.directoryName.bytes),
            "instance": .string(report.instance),
            "kind": .string(report.kind.rawValue),
            "lane_count": .integer(report.laneCount),
            "capacity": .integer(report.capacity),
            "seconds": .number(seconds),
            "consumer": report.consumer.json,
            "consumer_sleeps": .position(statistics.consumerSleeps),
            "producers_attached": .integer(report.attachedProducers),
            "backlog": .integer(backlog),
            "totals": .object([
                "messages": .position(statistics.total(\.messages)),
                "bytes": .position(statistics.total(\.byteCount)),
                "full": .position(statistics.total(\.full)),
                "producer_sleeps": .position(statistics.total(\.sleeps)),
                "wakes": .position(statistics.total(\.wakes)),
                "wakes_elided": .position(statistics.total(\.wakesElided)),
                "producer_wakes": .position(statistics.total(\.producerWakes)),
            ]),
            "rates": .members(total.members + [("consumer_sleeps", .number(consumerSleeps))]),
            "lanes": .array(lanes.map(\.json)),
            "subscribers": .array(report.subscribers.map(\.json)),
        ])
    }
}

extension RingRates.Rates {
    /// Per second.
    fileprivate var members: [(String, JSON)] {
        [
            ("messages", .number(messages)), ("bytes", .number(byteCount)), ("full", .number(full)),
            ("producer_sleeps", .number(sleeps)), ("wakes", .number(wakes)), ("producer_wakes", .number(producerWakes)),
        ]
    }
}

extension RingRates.Lane {
    fileprivate var json: JSON {
        .object([
            "number": .integer(statistics.number),
            "producer": statistics.producer.json,
            "messages": .position(statistics.messages),
            "bytes": .position(statistics.byteCount),
            "full": .position(statistics.full),
            "producer_sleeps": .position(statistics.sleeps),
            "wakes": .position(statistics.wakes),
            "wakes_elided": .position(statistics.wakesElided),
            "producer_wakes": .position(statistics.producerWakes),
            "backlog": .integer(statistics.backlog),
            "largest_backlog": .position(statistics.largestBacklog),
            "rates": .members(rates.members),
        ])
    }
}
