import SharedRing

/// A report for programs. The keys stay as they are; more may come.
extension RingReport {
    var json: JSON {
        .object([
            "name": .string(fileName.label),
            "name_bytes": .hexadecimal(fileName.bytes),
            "directory": .string(directory),
            "directory_bytes": .hexadecimal(directoryName.bytes),
            "kind": .string(kind.rawValue),
            "order": .string(order.word),
            "lane_count": .integer(laneCount),
            "capacity": .integer(capacity),
            "largest_message": .integer(largestMessage),
            "record_alignment": .integer(recordAlignment),
            "total_size": .integer(totalSize),
            "label": .string(label),
            "layout_version": .string(layoutVersion),
            "instance": .string(instance),
            "created_at": .string(Timestamp(createdNanoseconds).iso),
            "barrier": .string(usesAsymmetricBarrier ? "asymmetric" : "symmetric"),
            "is_persistent": .boolean(isPersistent),
            "backlog": .integer(backlog),
            "producers_attached": .integer(attachedProducers),
            "producer_attachments": .integer(producerAttachments),
            "consumer": consumer.json,
            "lanes": .array(lanes.map(\.json)),
            "subscriber_count": .integer(subscriberCount),
            "subscribers": .array(subscribers.map(\.json)),
            "entries": .array(entries.map(\.json)),
            "reply_capacity": .integer(replyCapacity),
            "stream_capacity": .integer(streamCapacity),
            "server_count": .integer(serverCount),
            "servers": .array(servers.map(\.json)),
            "call_slot_count": .integer(callSlotCount),
            "call_slots": .array(callSlots.map(\.json)),
        ])
    }
}

extension RingReport.Lane {
    fileprivate var json: JSON {
        .object([
            "number": .integer(number), "head": .position(head), "tail": .position(tail), "backlog": .integer(backlog),
            "producer": producer.json,
        ])
    }
}

extension RingReport.Subscriber {
    var json: JSON {
        .object([
            "number": .integer(number), "name": name.map(JSON.string) ?? .null, "durable": .boolean(isDurable),
            "soft_gated": .boolean(isSoftGated), "missed_messages": .position(missed),
            "head": head.map(JSON.position) ?? .null, "backlog": .integer(backlog),
            "holds_publisher_up": .boolean(holdsPublisherUp), "subscriber": role.json,
        ])
    }
}

extension RingReport.Entry {
    fileprivate var json: JSON {
        .object([
            "number": .integer(number), "key": .string(key), "capacity": .integer(capacity), "version": .position(version),
            "byte_count": byteCount.map { .integer($0) } ?? .null, "tag": tag.map { .integer(Int($0)) } ?? .null,
            "written_at": writtenNanoseconds.map { .string(Timestamp($0).iso) } ?? .null, "writer": writer.json,
        ])
    }
}

extension RingReport.Server {
    var json: JSON {
        .object([
            "number": .integer(number), "started": .position(started), "answered": .position(answered), "wakes": .position(wakes),
            "server": role.json,
        ])
    }
}

extension RingReport.CallSlot {
    var json: JSON {
        .object([
            "number": .integer(number), "state": .string(state.rawValue), "server": server.map { .integer($0) } ?? .null,
            "given_up": .boolean(isGivenUp), "stream": .boolean(isStream), "byte_count": byteCount.map { .integer($0) } ?? .null,
            "calls": .position(calls),
            "late_replies": .position(lateReplies), "wakes": .position(wakes), "client": client.json,
        ])
    }
}

extension RingReport.Role {
    var json: JSON {
        .object(["presence": .string(presence.word), "attachments": .integer(attachments), "process": holder?.json ?? .null])
    }
}

extension RingReport.Presence {
    var word: String {
        switch self {
        case .neverCame: "never_came"
        case .attached: "attached"
        case .closed: "closed"
        case .died: "died"
        }
    }
}

extension HolderInformation {
    var json: JSON {
        .object([
            "pid": .integer(Int(processID)), "start_time": .position(startTime), "program": .string(name),
            "attached_at": .string(Timestamp(attachedNanoseconds).iso),
        ])
    }
}
