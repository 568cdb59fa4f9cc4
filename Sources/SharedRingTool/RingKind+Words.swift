import SharedRing

/// What is said of a ring according to its kind. A new kind has to be given its words here.
extension RingReport {
    /// "spsc"; "mpsc, 4 lanes, total order".
    var kindText: String {
        switch kind {
        case .spsc: "spsc"
        case .mpsc: "mpsc, \(counted(laneCount, "lane")), \(order.word) order"
        case .broadcast: "broadcast, room for \(counted(subscriberCount, "reliable subscriber"))"
        case .board: "board, \(counted(entries.count, "entry", "entries"))"
        }
    }

    /// "65536 bytes"; of many lanes "65536 bytes a lane".
    var capacityText: String {
        switch kind {
        case .spsc, .broadcast: counted(capacity, "byte")
        case .mpsc: counted(capacity, "byte") + " a lane"
        case .board: counted(capacity, "byte") + " for all values"
        }
    }

    /// "spsc, 64K"; "mpsc, 4 lanes of 64K, total order".
    var shortShape: String {
        switch kind {
        case .spsc: "spsc, \(SizeNotation.text(capacity))"
        case .mpsc: "mpsc, \(counted(laneCount, "lane")) of \(SizeNotation.text(capacity)), \(order.word) order"
        case .broadcast: "broadcast, \(SizeNotation.text(capacity))"
        case .board: "board, \(counted(entries.count, "entry", "entries")), \(SizeNotation.text(capacity))"
        }
    }

    /// What a lane's line begins with: "producer"; "lane 3".
    func title(ofLane number: Int) -> String {
        switch kind {
        case .spsc: "producer"
        case .mpsc: "lane \(number)"
        case .broadcast: "publisher"
        case .board: "entry \(number)"
        }
    }

    /// What a sentence about a lane begins with: nothing; "lane 3: ".
    func prefix(ofLane number: Int) -> String {
        switch kind {
        case .spsc, .broadcast: ""
        case .mpsc: "lane \(number): "
        case .board: "entry \(number): "
        }
    }

    /// "producer"; "3 producers".
    func producersText(_ count: Int) -> String {
        switch kind {
        case .spsc: "producer"
        case .mpsc: counted(count, "producer")
        case .broadcast: "publisher"
        case .board: counted(count, "writer")
        }
    }

    /// Whether there is one sender at a time, whose end is the end of the stream.
    var hasOneSender: Bool {
        switch kind {
        case .spsc, .broadcast: true
        case .mpsc, .board: false
        }
    }
}
