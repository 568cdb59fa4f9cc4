import SharedRing

/// Counters in Prometheus' text exposition format.
extension RingStatistics {
    /// A family's samples stand together, whatever ring they are of.
    static func prometheus(_ rings: [RingStatistics]) -> String {
        var text = ""

        func family(_ name: String, _ type: String, _ help: String, _ samples: (RingStatistics) -> [(labels: String, value: String)]) {
            let samples = rings.flatMap { ring in
                samples(ring).map { ("ring=\"\(ring.report.fileName.labelValue)\"\($0.labels)", $0.value) }
            }
            if samples.isEmpty { return }
            text += "# HELP sharedring_\(name) \(help)\n# TYPE sharedring_\(name) \(type)\n"
            for (labels, value) in samples { text += "sharedring_\(name){\(labels)} \(value)\n" }
        }
        func perLane(_ name: String, _ type: String, _ help: String, _ value: (Lane) -> String) {
            family(name, type, help) { ring in ring.lanes.map { (",lane=\"\($0.number)\"", value($0)) } }
        }
        func perRing(_ name: String, _ type: String, _ help: String, _ value: (RingStatistics) -> String) {
            family(name, type, help) { ring in [("", value(ring))] }
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
        perRing("consumer_sleeps_total", "counter", "Times the consumer went to sleep.") { "\($0.consumerSleeps)" }
        perRing("consumer_attachments_total", "counter", "Consumers that have attached.") { "\($0.report.consumer.attachments)" }
        perRing("consumer_attached", "gauge", "1 while the ring has a consumer.") {
            $0.report.consumer.presence == .attached ? "1" : "0"
        }
        perRing("lane_capacity_bytes", "gauge", "Bytes of each lane.") { "\($0.report.capacity)" }
        return text
    }
}

extension FileName {
    /// What stands for the name between the quotes of a label. Different names give different values: Prometheus refuses an answer in which
    /// two samples have the same labels.
    ///
    /// A name stands for itself. One that is no UTF-8, or has a control character other than a newline, stands there as people are shown it.
    /// So does one that could be taken for what such a name is shown as.
    fileprivate var labelValue: String {
        guard let text, !isLikeAnEscape else { return description.escapedForLabel }
        let line = String(String.UnicodeScalarView(text.unicodeScalars.filter { $0 != "\n" }))
        return (line.printable == line ? text : description).escapedForLabel
    }

    /// Whether a backslash stands before something that `description` puts behind one.
    private var isLikeAnEscape: Bool {
        zip(bytes, bytes.dropFirst()).contains { $0 == UInt8(ascii: "\\") && #"\ntrux"#.utf8.contains($1) }
    }
}

extension String {
    /// Backslash, quote and newline escaped, as the exposition format has it.
    fileprivate var escapedForLabel: String {
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
