import SharedRing

/// Counters in Prometheus' text exposition format.
extension RingStatistics {
    var prometheus: String {
        let ring = "ring=\"\(report.name.labelValue)\""
        var text = ""

        func family(_ name: String, _ type: String, _ help: String, _ samples: [(labels: String, value: String)]) {
            if samples.isEmpty { return }
            text += "# HELP sharedring_\(name) \(help)\n# TYPE sharedring_\(name) \(type)\n"
            for sample in samples { text += "sharedring_\(name){\(sample.labels)} \(sample.value)\n" }
        }
        func perLane(_ name: String, _ type: String, _ help: String, _ value: (Lane) -> String) {
            family(name, type, help, lanes.map { ("\(ring),lane=\"\($0.number)\"", value($0)) })
        }

        perLane("messages_total", "counter", "Messages committed.") { "\($0.messages)" }
        perLane("payload_bytes_total", "counter", "Bytes of the payloads of the messages committed.") { "\($0.byteCount)" }
        perLane("full_total", "counter", "Times the producer found no room.") { "\($0.full)" }
        perLane("producer_sleeps_total", "counter", "Times the producer went to sleep.") { "\($0.sleeps)" }
        perLane("consumer_wakes_total", "counter", "Times the producer woke the consumer.") { "\($0.wakes)" }
        perLane("producer_wakes_total", "counter", "Times the consumer woke the producer.") { "\($0.producerWakes)" }
        perLane("producer_attachments_total", "counter", "Producers that have attached.") { "\($0.producer.attachments)" }
        perLane("backlog_bytes", "gauge", "Bytes of the lane that wait to be received.") { "\($0.backlog)" }
        perLane("largest_backlog_bytes", "gauge", "The most bytes unacknowledged when the producer looked.") { "\($0.largestBacklog)" }
        perLane("producer_attached", "gauge", "1 while the lane has a producer.") { $0.producer.presence == .attached ? "1" : "0" }
        family("consumer_sleeps_total", "counter", "Times the consumer went to sleep.", [(ring, "\(consumerSleeps)")])
        family("consumer_attachments_total", "counter", "Consumers that have attached.", [(ring, "\(report.consumer.attachments)")])
        family(
            "consumer_attached", "gauge", "1 while the ring has a consumer.", [(ring, report.consumer.presence == .attached ? "1" : "0")])
        family("lane_capacity_bytes", "gauge", "Bytes of each lane.", [(ring, "\(report.capacity)")])
        return text
    }
}

extension String {
    /// As it stands between the quotes of a label: backslash, quote and newline escaped.
    var labelValue: String {
        var text = ""
        for scalar in unicodeScalars {
            switch scalar {
            case "\\": text += "\\\\"
            case "\"": text += "\\\""
            case "\n": text += "\\n"
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text
    }
}
