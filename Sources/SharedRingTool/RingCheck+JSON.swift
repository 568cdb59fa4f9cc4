import SharedRing

/// A check for programs. The keys stay as they are; more may come.
extension RingCheck {
    var json: JSON {
        .object([
            "name": .string(report.fileName.label),
            "name_bytes": .hexadecimal(report.fileName.bytes),
            "directory": .string(report.directory),
            "directory_bytes": .hexadecimal(report.directoryName.bytes),
            "usable": .boolean(damage.isEmpty),
            "state": .string(state),
            "is_moving": .boolean(isMoving),
            "messages": .integer(messages),
            "bytes": .integer(byteCount),
            "stream_ends": .integer(streamEnds),
            "consumer": .object([
                "presence": .string(report.consumer.presence.word), "process": report.consumer.holder?.json ?? .null,
                "sleep_word": .string(consumerSleepWord.word), "has_unreported_death": .boolean(hasUnreportedDeath),
            ]),
            "lanes": .array(lanes.map(\.json)),
            "left_over": .array(leftOver.map(JSON.string)),
            "damage": .array(damage.map(\.json)),
            "next_producer": .string(nextProducer),
            "next_consumer": .string(nextReceiver),
        ])
    }
}

extension RingCheck.Lane {
    fileprivate var json: JSON {
        .object([
            "number": .integer(number), "head": .position(head), "tail": .position(tail), "messages": .integer(messages),
            "bytes": .integer(byteCount), "close_records": .integer(closeRecords), "death_records": .integer(deathRecords),
            "needs_death_record": .boolean(needsDeathRecord), "ticket_floor": ticketFloor.map(JSON.position) ?? .null,
            "sleep_word": .string(sleepWord.word), "is_moving": .boolean(isMoving),
            "producer": .object(["presence": .string(producer.presence.word), "process": producer.holder?.json ?? .null]),
        ])
    }
}

extension RingCheck.SleepWord {
    fileprivate var word: String {
        switch self {
        case .awake: "awake"
        case .asleep: "asleep"
        case .leftBehind: "left_behind"
        }
    }
}

extension RingCheck.Damage {
    fileprivate var json: JSON {
        .object([
            "lane": lane.map(JSON.integer) ?? .null, "position": position.map(JSON.position) ?? .null,
            "file_offset": .integer(fileOffset), "detail": .string(detail),
        ])
    }
}

extension JSON {
    /// For what is not there, no ring, or one whose header is damaged.
    static func failedCheck(of name: FileName, _ error: RingError) -> JSON {
        let state =
            switch error.code {
            case .notFound: "not_found"
            case .notARing: "not_a_ring"
            case .damaged: "damaged"
            case .incompatible: "incompatible"
            case .wrongOwner: "wrong_owner"
            default: "unreadable"
            }
        let finding = JSON.object(["lane": .null, "position": .null, "file_offset": .null, "detail": .string(error.detail)])
        return .object([
            "name": .string(name.label), "name_bytes": .hexadecimal(name.bytes), "usable": .boolean(false), "state": .string(state),
            "damage": .array([finding]),
        ])
    }
}
