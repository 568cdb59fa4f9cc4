/// What makes two results comparable: the same was measured.
package struct CaseSetup: Hashable, Sendable {
    package var transport: TransportName
    package var mode: Mode
    package var size: Int
    package var wait: String
    package var capacity: Int
    package var batch: Int
    package var alignment: Int
    package var hugePages: Bool
    /// Mode `mpsc` only.
    package var manyProducers: ManyProducersSetup?

    package init(
        transport: TransportName, mode: Mode, size: Int, wait: String, capacity: Int, batch: Int, alignment: Int, hugePages: Bool,
        manyProducers: ManyProducersSetup? = nil
    ) {
        self.transport = transport
        self.mode = mode
        self.size = size
        self.wait = wait
        self.capacity = capacity
        self.batch = batch
        self.alignment = alignment
        self.hugePages = hugePages
        self.manyProducers = manyProducers
    }

    /// Whether, at the same time and on the same machine, it is fair to divide one by the other's figures.
    func isPeer(of other: CaseSetup) -> Bool {
        mode == other.mode && size == other.size && batch == other.batch
    }
}

/// The producers and bystanders of a case of `mpsc`.
package struct ManyProducersSetup: Hashable, Sendable {
    /// How many send.
    package var producers: Int
    /// The order of the ring. A pipe and a shared tail have one order for all, whether or not it is asked for.
    package var isTotallyOrdered: Bool
    /// Of the ring; at least one for each that attaches.
    package var lanes: Int
    /// How many are attached and silent.
    package var idleLanes: Int
    /// How many are stopped in the middle of a claim.
    package var stopped: Int
    /// Whether producers use the consumer's CPU too.
    package var isSpread: Bool
    /// Whether the consumer begins when the producers are done: what is timed is their sending alone.
    package var drainsAfter: Bool

    package init(
        producers: Int, isTotallyOrdered: Bool, lanes: Int, idleLanes: Int, stopped: Int, isSpread: Bool, drainsAfter: Bool
    ) {
        self.producers = producers
        self.isTotallyOrdered = isTotallyOrdered
        self.lanes = lanes
        self.idleLanes = idleLanes
        self.stopped = stopped
        self.isSpread = isSpread
        self.drainsAfter = drainsAfter
    }

    package var orderName: String { isTotallyOrdered ? "total" : "per-producer" }
}

extension CaseSetup {
    /// For people: what is particular about it.
    package var name: String {
        var words = [mode.rawValue, transport.rawValue, "\(size) B"]
        if transport == .ring || transport == .spsc { words.append(wait) }
        if batch > 1 { words.append("batch \(batch)") }
        if alignment != 8 { words.append("alignment \(alignment)") }
        if hugePages { words.append("huge pages") }
        if let manyProducers {
            words.append(manyProducers.producers == 1 ? "1 producer" : "\(manyProducers.producers) producers")
            if transport == .ring { words += [manyProducers.orderName, "\(manyProducers.lanes) lanes"] }
            if manyProducers.idleLanes > 0 { words.append("\(manyProducers.idleLanes) idle") }
            if manyProducers.stopped > 0 { words.append("\(manyProducers.stopped) stopped") }
            if manyProducers.isSpread { words.append("spread") }
            if manyProducers.drainsAfter { words.append("drained after") }
        }
        return words.joined(separator: " ")
    }
}
