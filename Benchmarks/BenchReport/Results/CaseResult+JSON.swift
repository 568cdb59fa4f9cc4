extension CaseResult {
    /// In `distances`: the cores moved during the repeat.
    private static let moved = "moved"

    /// One object on one line; the keys are those of `ringbench help`.
    package var json: String {
        var object = JSONWriter()
        object.add("transport", setup.transport.rawValue)
        object.add("mode", setup.mode.rawValue)
        object.add("size", setup.size)
        object.add("count", count)
        object.add("wait", setup.wait)
        object.add("cpus", cpus)
        object.add("capacity", setup.capacity)
        object.add("batch", setup.batch)
        object.add("alignment", setup.alignment)
        object.add("huge_pages", setup.hugePages)
        if let manyProducers = setup.manyProducers { manyProducers.write(to: &object) }
        if let latency {
            for (key, value) in [
                ("p50_ns", latency.p50), ("p90_ns", latency.p90), ("p99_ns", latency.p99), ("p999_ns", latency.p999),
                ("p9999_ns", latency.p9999), ("max_ns", latency.largest),
            ] {
                object.add(key, value, digits: 1)
            }
        } else {
            object.add("msgs_per_s", messagesPerSecond ?? 0, digits: 0)
            object.add("GB_per_s", gigabytesPerSecond, digits: 6)
        }
        object.add("cpu_ns_per_msg", cpuPerMessage, digits: 2)
        object.add("involuntary_switches", involuntarySwitches)
        object.add("voluntary_switches", voluntarySwitches)
        if let systemCallsPerMessage { object.add("syscalls_per_msg", systemCallsPerMessage, digits: 4) }
        object.add("repeats", raw: "[" + repeats.map { decimal($0, latency == nil ? 0 : 1) }.joined(separator: ",") + "]")
        if !distances.isEmpty { object.add("distances", distances.map { $0?.rawValue ?? Self.moved }) }
        if !curve.isEmpty {
            let points = curve.map { "[\(decimal($0.fraction, 7)),\(decimal($0.nanoseconds, 1))]" }
            object.add("curve", raw: "[" + points.joined(separator: ",") + "]")
        }
        if !warnings.isEmpty { object.add("warnings", warnings) }
        if !date.isEmpty { object.add("date", date) }
        object.add("machine", raw: machine.json)
        return object.text
    }

    /// - Throws: what is missing or is not what it should be: one sentence.
    package init(json: JSONValue) throws(ResultsError) {
        let members = try JSONMembers(json)
        let mode = try members.name("mode", of: Mode.self)
        setup = CaseSetup(
            transport: try members.name("transport", of: TransportName.self), mode: mode, size: try members.integer("size"),
            wait: try members.string("wait"), capacity: try members.integer("capacity"), batch: try members.integer("batch"),
            alignment: try members.integer("alignment"), hugePages: try members.boolean("huge_pages"),
            manyProducers: mode == .mpsc ? try ManyProducersSetup(members) : nil)
        count = try members.integer("count")
        cpus = try members.string("cpus")
        repeats = try members.numbers("repeats")
        guard !repeats.isEmpty, repeats.allSatisfy({ $0 > 0 }) else {
            throw ResultsError("'repeats' holds a figure for each repeat, all positive")
        }
        distances = members.has("distances") ? try members.strings("distances").map(CoreDistance.init(rawValue:)) : []
        guard distances.isEmpty || distances.count == repeats.count else {
            throw ResultsError("'distances' holds as many words as 'repeats' holds figures")
        }
        if mode.isTimed {
            latency = Latency(
                p50: try members.number("p50_ns"), p90: try members.number("p90_ns"), p99: try members.number("p99_ns"),
                p999: try members.number("p999_ns"), p9999: try members.number("p9999_ns"), largest: try members.number("max_ns"))
        }
        cpuPerMessage = try members.number("cpu_ns_per_msg")
        involuntarySwitches = try members.integer("involuntary_switches")
        voluntarySwitches = try members.integer("voluntary_switches")
        systemCallsPerMessage = members.has("syscalls_per_msg") ? try members.number("syscalls_per_msg") : nil
        curve = members.has("curve") ? try members.pairs("curve").map { CurvePoint(fraction: $0, nanoseconds: $1) } : []
        warnings = members.has("warnings") ? try members.strings("warnings") : []
        date = members.has("date") ? try members.string("date") : ""
        machine = try MachineFacts(members.members("machine"))
    }
}

extension ManyProducersSetup {
    func write(to object: inout JSONWriter) {
        object.add("producers", producers)
        object.add("order", orderName)
        object.add("lanes", lanes)
        object.add("idle_lanes", idleLanes)
        object.add("stopped", stopped)
        object.add("spread", isSpread)
        object.add("drain_after", drainsAfter)
    }

    init(_ members: JSONMembers) throws(ResultsError) {
        self.init(
            producers: try members.integer("producers"), isTotallyOrdered: try members.string("order") == "total",
            lanes: try members.integer("lanes"), idleLanes: try members.integer("idle_lanes"), stopped: try members.integer("stopped"),
            isSpread: try members.boolean("spread"), drainsAfter: try members.boolean("drain_after"))
    }
}
