import SharedRing

/// Counters of rings as metrics. The article Embedding lists them.
extension RingStatistics {
    static func prometheus(_ rings: [RingStatistics]) -> String {
        var exposition = Exposition()

        func perLane(_ name: String, _ type: String, _ help: String, _ value: (Lane) -> String) {
            exposition.family(name, type, help, of: rings, { ("ring", $0.report.fileName) }) { ring in
                ring.lanes.map { ("", ",lane=\"\($0.number)\"", value($0)) }
            }
        }
        func perRing(_ name: String, _ type: String, _ help: String, _ value: (RingStatistics) -> String) {
            exposition.family(name, type, help, of: rings, { ("ring", $0.report.fileName) }) { ring in [("", "", value(ring))] }
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
        return exposition.text
    }
}
