/// Counts as Prometheus text.
public enum Metrics {
    public static func text(_ counts: PublishCounts, ring: String, stream: String) -> String {
        let labels = labels(ring, stream)
        var text = ""
        add(&text, "published_messages_total", "counter", "Messages that the broker has acknowledged.", labels, counts.published)
        add(&text, "published_bytes_total", "counter", "Their payloads, in bytes.", labels, counts.publishedBytes)
        add(&text, "skipped_messages_total", "counter", "Messages of the ring that the stream had already.", labels, counts.skipped)
        add(&text, "dead_letters_total", "counter", "Messages that the broker does not take.", labels, counts.deadLetters)
        add(&text, "read_backs_total", "counter", "How often the stream was read back.", labels, counts.readBacks)
        add(&text, "reconnects_total", "counter", "How often the connection was made anew.", labels, UInt64(counts.reconnects))
        add(&text, "producer_ends_total", "counter", "Streams of the ring that ended, by a close.", labels, counts.ends)
        add(&text, "producer_deaths_total", "counter", "Streams of the ring that ended, by a death.", labels, counts.deaths)
        add(&text, "in_flight_messages", "gauge", "Messages on their way to the broker.", labels, UInt64(counts.inFlight))
        add(
            &text, "window_bytes", "gauge", "Payloads that are kept until the broker has acknowledged them.", labels,
            UInt64(counts.windowBytes))
        add(&text, "connected", "gauge", "1 while there is a broker.", labels, counts.isConnected ? 1 : 0)
        add(&text, "stream_sequence", "gauge", "The last sequence that is known to be stored.", labels, counts.lastSequence)
        return text
    }

    public static func text(_ counts: SubscribeCounts, ring: String, stream: String) -> String {
        let labels = labels(ring, stream)
        var text = ""
        add(&text, "forwarded_messages_total", "counter", "Messages that are committed in the ring.", labels, counts.forwarded)
        add(&text, "forwarded_bytes_total", "counter", "Their payloads, in bytes.", labels, counts.forwardedBytes)
        add(&text, "dropped_messages_total", "counter", "Messages that came again.", labels, counts.dropped)
        add(&text, "fetched_messages_total", "counter", "Messages that were fetched by their sequence.", labels, counts.fetched)
        add(&text, "reconnects_total", "counter", "How often the connection was made anew.", labels, UInt64(counts.reconnects))
        add(&text, "full_ring_waits_total", "counter", "Tenths of a second without room in the ring.", labels, counts.waits)
        add(&text, "stream_lag_messages", "gauge", "Messages of the stream that were not delivered yet.", labels, counts.lag)
        add(&text, "connected", "gauge", "1 while there is a broker.", labels, counts.isConnected ? 1 : 0)
        add(&text, "stream_sequence", "gauge", "The sequence of the last message in the ring.", labels, counts.lastSequence)
        return text
    }

    static func add(_ text: inout String, _ name: String, _ type: String, _ help: String, _ labels: String, _ value: UInt64) {
        text +=
            "# HELP sharedring_bridge_\(name) \(help)\n# TYPE sharedring_bridge_\(name) \(type)\nsharedring_bridge_\(name)\(labels) \(value)\n"
    }

    static func labels(_ ring: String, _ stream: String) -> String { "{ring=\"\(escape(ring))\",stream=\"\(escape(stream))\"}" }

    private static func escape(_ text: String) -> String {
        text.reduce(into: "") {
            switch $1 {
            case "\\": $0 += "\\\\"
            case "\"": $0 += "\\\""
            case "\n": $0 += "\\n"
            default: $0.append($1)
            }
        }
    }
}
