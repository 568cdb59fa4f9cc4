import SharedRing

/// Counters of call services as metrics. The article Embedding lists them.
extension RingReport {
    static func prometheus(services: [RingReport]) -> String {
        var exposition = Exposition()

        func perService(_ name: String, _ type: String, _ help: String, _ value: (RingReport) -> String) {
            exposition.family(name, type, help, of: services, { ("service", $0.fileName) }) { service in [("", "", value(service))] }
        }
        func perServer(_ name: String, _ type: String, _ help: String, _ value: (Server) -> String) {
            exposition.family(name, type, help, of: services, { ("service", $0.fileName) }) { service in
                service.servers.map { ("", ",server=\"\($0.number)\"", value($0)) }
            }
        }

        perService("calls_total", "counter", "Calls made.") { "\($0.allCalls)" }
        perService("late_replies_total", "counter", "Replies that came after their call was given up.") { "\($0.allLate)" }
        perService("server_wakes_total", "counter", "Times a client woke the servers.") { "\($0.serverWakes)" }
        perService("waiting_calls", "gauge", "Calls that no server has started.") { "\($0.waitingCalls)" }
        perService("started_calls", "gauge", "Calls that a server has started and not answered.") { "\($0.startedCalls)" }
        perService("given_up_calls", "gauge", "Started calls that their callers have given up.") { "\($0.givenUpCalls)" }
        perService("servers_attached", "gauge", "Servers that are attached.") { "\($0.attachedServers)" }
        perService("server_places", "gauge", "Places for servers.") { "\($0.serverCount)" }
        perService("call_slots_taken", "gauge", "Slots that a client has.") { "\($0.takenSlots)" }
        perService("call_slots", "gauge", "Slots for clients.") { "\($0.callSlotCount)" }
        perService("request_capacity_bytes", "gauge", "Bytes of the largest request.") { "\($0.capacity)" }
        perService("reply_capacity_bytes", "gauge", "Bytes of the largest reply.") { "\($0.replyCapacity)" }
        perService("stream_capacity_bytes", "gauge", "Bytes of each slot's lane for streams; 0 if there are none.") {
            "\($0.streamCapacity)"
        }
        perServer("calls_started_total", "counter", "Calls that the servers of that number have started.") { "\($0.started)" }
        perServer("calls_answered_total", "counter", "Calls that the servers of that number have answered, in whatever way.") {
            "\($0.answered)"
        }
        perServer("client_wakes_total", "counter", "Times the servers of that number woke a client.") { "\($0.wakes)" }
        perServer("server_attachments_total", "counter", "Servers of that number that have attached.") { "\($0.role.attachments)" }
        perServer("server_attached", "gauge", "1 while a process is the server of that number.") {
            $0.role.presence == .attached ? "1" : "0"
        }
        exposition.family(
            "call_duration_seconds", "histogram", "How long calls took: one call in 64 is timed. There is no sum.", of: services,
            { ("service", $0.fileName) }
        ) { service in service.durationSamples }
        return exposition.text
    }

    /// The parts of a histogram: for each bound, how many calls took less; and how many were timed.
    private var durationSamples: [(suffix: String, labels: String, value: String)] {
        let counts = latencyCounts
        var sum: UInt64 = 0
        var samples: [(suffix: String, labels: String, value: String)] = []
        for (bucket, count) in counts.enumerated() {
            sum += count
            // The last one has no bound: it counts the calls that took longer, too.
            let bound = bucket == counts.count - 1 ? "+Inf" : "\(Double(UInt64(2) << UInt64(bucket)) / 1e9)"
            samples.append(("_bucket", ",le=\"\(bound)\"", "\(sum)"))
        }
        return samples + [("_count", "", "\(sum)")]
    }
}
