import CSharedRing

/// Writes where no process should. It knows the layout, so that what it writes is believed as far as possible.
struct UntrustedPeer {
    let victim: Victim
    let tally: Tally
    let isVerbose: Bool

    private typealias Word = (offset: Int, size: Int)

    // MARK: Where

    private static let headerWords: [Word] = [
        word(\sr_header.magic), word(\sr_header.major), word(\sr_header.minor), word(\sr_header.header_length),
        word(\sr_header.total_size), word(\sr_header.page_size), word(\sr_header.kind), word(\sr_header.lanes.lane_count),
        word(\sr_header.lanes.record_alignment), word(\sr_header.lanes.lane_capacity), word(\sr_header.control_offset),
        word(\sr_header.data_offset), word(\sr_header.required_features), word(\sr_header.optional_features),
        word(\sr_header.layout_hash), word(\sr_header.instance_id.0), word(\sr_header.boot_id.0), word(\sr_header.created_ns),
        word(\sr_header.label.0), word(\sr_header.label.63), word(\sr_header.checksum),
    ]
    private static let ringWords: [Word] = [
        consumer(\.doorbell), word(\sr_lanes_control.tickets), word(\sr_lanes_control.tickets),
        word(\sr_lanes_control.lanes_used.0), word(\sr_lanes_control.lanes_used.0), word(\sr_lanes_control.lanes_used.15),
        consumer(\.epoch), consumer(\.unreported_death), consumer(\.statistics.sleeps),
        consumer(\.holder.pid), consumer(\.holder.start_time), word(\sr_lanes_control.segment.persistent),
        word(\sr_lanes_control.segment.clean), word(\sr_lanes_control.segment.boot_id.0),
    ]
    private static let laneWords: [Word] = [
        word(\sr_lane_control.ticket_floor), word(\sr_lane_control.ticket_floor), word(\sr_lane_control.producer_epoch),
        word(\sr_lane_control.checkpoint_turn), word(\sr_lane_control.checkpoints.0.tail), word(\sr_lane_control.checkpoints.1.tail),
        word(\sr_lane_control.checkpoints.0.write_limit), word(\sr_lane_control.checkpoints.1.write_limit),
        word(\sr_lane_control.checkpoints.1.messages), word(\sr_lane_control.producer_statistics.backlog),
        word(\sr_lane_control.head), word(\sr_lane_control.head), word(\sr_lane_control.head), word(\sr_lane_control.reported_end),
        word(\sr_lane_control.space_doorbell), word(\sr_lane_control.producer_holder.pid),
        word(\sr_lane_control.producer_holder.attached_ns), word(\sr_lane_control.consumer_statistics.wakes),
    ]

    private static func word<Root, Value>(_ path: KeyPath<Root, Value>) -> Word {
        (MemoryLayout<Root>.offset(of: path)!, MemoryLayout<Value>.size)
    }

    /// Of the consumer's block, from the start of the control area.
    private static func consumer<Value>(_ path: KeyPath<sr_consumer_control, Value>) -> Word {
        let word = word(path)
        return (Int(sr_lanes_consumer_offset()) + word.offset, word.size)
    }

    // MARK: What

    /// One mutation.
    func mutate(_ choices: inout Choices) {
        tally.add(.mutations)
        switch choices.below(16) {
        case 0: mutateHeader(&choices)
        case 1, 2: mutate(UnsafeMutableRawPointer(victim.control), Self.ringWords, &choices)
        case 3...6: mutate(UnsafeMutableRawPointer(victim.lane(choices.below(victim.lanes))), Self.laneWords, &choices)
        case 7...11: mutateRecord(&choices)
        case 12: carpet(&choices)
        case 13: mutateTicket(&choices)
        case 14: write(at: choices.below(victim.size), size: 1 << choices.below(4), &choices)
        default: scribble(&choices)
        }
    }

    /// Where running endpoints look all the time.
    func mutateQuickly(_ choices: inout Choices) {
        tally.add(.mutations)
        switch choices.below(8) {
        case 0: mutate(UnsafeMutableRawPointer(victim.control), Self.ringWords, &choices)
        case 1...3: mutate(UnsafeMutableRawPointer(victim.lane(choices.below(victim.lanes))), Self.laneWords, &choices)
        case 4...6: mutateRecord(&choices)
        default: write(at: choices.below(victim.size), size: 1 << choices.below(4), &choices)
        }
    }

    private func mutateHeader(_ choices: inout Choices) {
        mutate(victim.base, Self.headerWords, &choices)
        if choices.below(4) > 0 { sign() }
    }

    private func sign() {
        let header = victim.base.assumingMemoryBound(to: sr_header.self)
        victim.base.storeBytes(
            of: sr_header_checksum(header), toByteOffset: MemoryLayout<sr_header>.offset(of: \.checksum)!, as: UInt64.self)
    }

    private func mutate(_ start: UnsafeMutableRawPointer, _ words: [Word], _ choices: inout Choices) {
        let word = words[choices.below(words.count)]
        write(at: start - victim.base + word.offset, size: word.size, &choices)
    }

    private func write(at offset: Int, size: Int, _ choices: inout Choices) {
        let size = min(size, victim.size - offset)
        var old: UInt64 = 0
        withUnsafeMutableBytes(of: &old) { $0.copyMemory(from: UnsafeRawBufferPointer(start: victim.base + offset, count: size)) }
        let value = interesting(old, &choices)
        if isVerbose { say("  \(size) bytes at \(offset): 0x\(String(old, radix: 16)) -> 0x\(String(value, radix: 16))") }
        withUnsafeBytes(of: value) { victim.base.advanced(by: offset).copyMemory(from: $0.baseAddress!, byteCount: size) }
    }

    /// A value that may break something.
    private func interesting(_ old: UInt64, _ choices: inout Choices) -> UInt64 {
        let sign: UInt64 = choices.once(in: 2) ? .max : 1
        switch choices.below(14) {
        case 0: return 0
        case 1: return 1
        case 2: return .max
        case 3: return 1 << 31 &- 1 &+ UInt64(choices.below(3))
        case 4: return 1 << 32 &- 1 &+ UInt64(choices.below(3))
        case 5: return 1 << 63 &- 1 &+ UInt64(choices.below(3))
        case 6: return old &+ sign &* UInt64(victim.alignment)
        case 7: return old &+ sign &* UInt64(victim.capacity * (1 + choices.below(3)))
        case 8: return old &+ sign &* UInt64(1 + choices.below(16))
        case 9: return old ^ 1 << UInt64(choices.below(64))
        case 10: return UInt64(victim.capacity) &+ sign &* UInt64(victim.alignment * choices.below(4))
        case 11: return UInt64(choices.below(256))
        case 12: return UInt64(choices.below(2 * victim.capacity / victim.alignment) * victim.alignment)
        default: return choices.word()
        }
    }

    // MARK: Records

    /// Where a record stands or could stand.
    private func recordOffset(in lane: Int, _ choices: inout Choices) -> Int {
        guard choices.below(4) > 0 else { return choices.below(victim.capacity / 8) * 8 }
        let mask = UInt64(victim.capacity - 1)
        var position = victim.lane(lane).pointee.head & mask & ~7
        for _ in 0..<choices.below(6) {
            let header = victim.data(lane).load(fromByteOffset: Int(position), as: UInt64.self)
            guard header & UInt64(SR_RECORD_PRESENT) != 0 else { break }
            let count = header & UInt64(SR_RECORD_COUNT_MASK)
            let bytes = count == UInt64(SR_RECORD_END) ? 8 : count + 8
            let alignment = UInt64(victim.alignment)
            position = (position + (bytes + alignment - 1) / alignment * alignment) & mask
        }
        return Int(position)
    }

    private func forged(_ old: UInt64, in lane: Int, _ choices: inout Choices) -> UInt64 {
        let present = UInt64(SR_RECORD_PRESENT)
        switch choices.below(10) {
        case 0: return present
        case 1: return present | UInt64(choices.below(64))
        case 2: return present | UInt64(victim.capacity - choices.below(40))
        case 3: return present | UInt64(victim.capacity * (1 + choices.below(4)) + choices.below(16))
        case 4: return present | (UInt64(SR_RECORD_END) - 1)
        case 5: return UInt64(choices.below(4)) << 32 | present | UInt64(SR_RECORD_END)
        case 6:
            let epoch = victim.lane(lane).pointee.producer_epoch &+ UInt32(choices.below(3)) &- 1
            return UInt64(epoch) << 32 | present | UInt64(SR_RECORD_END)
        case 7: return present | UInt64(choices.below(victim.capacity))
        case 8: return old & ~present
        default: return interesting(old, &choices)
        }
    }

    private func mutateRecord(_ choices: inout Choices) {
        let lane = choices.below(victim.lanes)
        let offset = recordOffset(in: lane, &choices)
        let place = victim.data(lane) + offset
        let header = forged(place.load(as: UInt64.self), in: lane, &choices)
        if isVerbose { say("  lane \(lane): header 0x\(String(header, radix: 16)) at \(offset)") }
        place.storeBytes(of: header, as: UInt64.self)
    }

    private func mutateTicket(_ choices: inout Choices) {
        let lane = choices.below(victim.lanes)
        let offset = (recordOffset(in: lane, &choices) + 8) & (victim.capacity - 1)
        write(at: victim.data(lane) + offset - victim.base, size: 8, &choices)
    }

    /// The same header everywhere: a lane without an end.
    private func carpet(_ choices: inout Choices) {
        let lane = choices.below(victim.lanes)
        let header = forged(0, in: lane, &choices)
        let stride = 8 << choices.below(5)
        if isVerbose { say("  lane \(lane): header 0x\(String(header, radix: 16)) every \(stride) bytes") }
        for offset in Swift.stride(from: 0, to: victim.capacity, by: stride) {
            victim.data(lane).storeBytes(of: header, toByteOffset: offset, as: UInt64.self)
        }
    }

    private func scribble(_ choices: inout Choices) {
        let count = 1 + choices.below(256)
        let offset = choices.below(victim.size - count)
        let word = choices.word()
        if isVerbose { say("  \(count) bytes at \(offset): 0x\(String(word, radix: 16)) repeated") }
        for index in 0..<count {
            victim.base.storeBytes(
                of: UInt8(truncatingIfNeeded: word >> UInt64(index % 8 * 8)), toByteOffset: offset + index, as: UInt8.self)
        }
    }
}
