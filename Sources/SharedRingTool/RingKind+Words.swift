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
        case .call: "call, \(counted(callSlotCount, "slot")) for clients, \(counted(serverCount, "place")) for servers"
        }
    }

    /// "65536 bytes"; of many lanes "65536 bytes a lane".
    var capacityText: String {
        switch kind {
        case .spsc, .broadcast: counted(capacity, "byte")
        case .mpsc: counted(capacity, "byte") + " a lane"
        case .board: counted(capacity, "byte") + " for all values"
        case .call:
            "requests of \(counted(capacity, "byte")), replies of \(counted(replyCapacity, "byte"))"
                + (streamCapacity > 0 ? ", streams through \(counted(streamCapacity, "byte"))" : "")
        }
    }

    /// "spsc, 64K"; "mpsc, 4 lanes of 64K, total order".
    var shortShape: String {
        switch kind {
        case .spsc: "spsc, \(SizeNotation.text(capacity))"
        case .mpsc: "mpsc, \(counted(laneCount, "lane")) of \(SizeNotation.text(capacity)), \(order.word) order"
        case .broadcast: "broadcast, \(SizeNotation.text(capacity))"
        case .board: "board, \(counted(entries.count, "entry", "entries")), \(SizeNotation.text(capacity))"
        case .call: "call, \(counted(callSlotCount, "slot")), \(SizeNotation.text(capacity)) and \(SizeNotation.text(replyCapacity))"
        }
    }

    /// What a lane's line begins with: "producer"; "lane 3".
    func title(ofLane number: Int) -> String {
        switch kind {
        case .spsc: "producer"
        case .mpsc: "lane \(number)"
        case .broadcast: "publisher"
        case .board: "entry \(number)"
        case .call: "slot \(number)"
        }
    }

    /// What a sentence about a lane begins with: nothing; "lane 3: ".
    func prefix(ofLane number: Int) -> String {
        switch kind {
        case .spsc, .broadcast: ""
        case .mpsc: "lane \(number): "
        case .board: "entry \(number): "
        case .call: "slot \(number): "
        }
    }

    /// "producer"; "3 producers".
    func producersText(_ count: Int) -> String {
        switch kind {
        case .spsc: "producer"
        case .mpsc: counted(count, "producer")
        case .broadcast: "publisher"
        case .board: counted(count, "writer")
        case .call: counted(count, "client")
        }
    }

    /// What receives: "consumer"; "subscriber".
    var receiverWord: String {
        switch kind {
        case .spsc, .mpsc: "consumer"
        case .broadcast: "subscriber"
        case .board: "reader"
        case .call: "server"
        }
    }

    /// What sends: "producer"; "publisher".
    var senderWord: String {
        switch kind {
        case .spsc, .mpsc: "producer"
        case .broadcast: "publisher"
        case .board: "writer"
        case .call: "client"
        }
    }

    /// Whether one process at a time receives everything, as the ring's consumer.
    var hasConsumer: Bool {
        switch kind {
        case .spsc, .mpsc: true
        case .broadcast, .board, .call: false
        }
    }

    /// Whether there is one sender at a time, whose end is the end of the stream.
    var hasOneSender: Bool {
        switch kind {
        case .spsc, .broadcast: true
        case .mpsc, .board, .call: false
        }
    }
}
