import CSharedRing

/// A tap's place in one lane, and what it has to say about what it finds there.
struct LaneTap {
    private let lane: TappedLane
    private var reader: LossyReader
    /// What was said to be damaged already.
    private var damagedPosition: UInt64?

    var position: UInt64 { reader.position }

    /// Where a tap begins in a lane.
    enum Beginning {
        /// Where it began when it had not been used yet: with its first message.
        case unused(head: UInt64, sent: Checkpoint)
        case head
        case tail
    }

    init(_ lane: TappedLane, from beginning: Beginning) {
        self.lane = lane
        let place =
            switch beginning {
            case .unused(let head, let sent):
                // A lane that was never used is counted from its checkpoint, whose tail is where it begins.
                LossyReader.Place(head, sent: sent.tail == head ? LossyReader.Totals(sent) : nil)
            case .head: lane.first
            case .tail: lane.last
            }
        reader = LossyReader(lane.shape, at: place)
    }

    /// Appends what there is at the position and behind it.
    mutating func poll(into events: inout [RingTap.Event]) {
        guard lane.shape.isAligned(position) else { return resynchronise(into: &events) }
        let (lane, start) = (lane, position)
        var run = TappedLane.Run()
        let outcome = reader.step { walk in
            lane.copy(&walk, into: &run)
        } checkpoint: {
            lane.judge(of: start)
        } resume: { _ in
            lane.next(after: start)
        }
        switch outcome {
        case .overtaken(let miss):
            note(miss, into: &events)
        case .lost:
            noteDamagedHead(into: &events)
        case .copied:
            events += run.events
            if let bits = run.impossible {
                if lane.isPassed(position) { return resynchronise(into: &events) }
                if damagedPosition == position { return }
                damagedPosition = position
                let header = "0x\(String(bits, radix: 16))"
                events.append(lane.damage(at: position, "the record header is \(header), which no producer writes there"))
            } else if run.events.isEmpty, lane.isPassed(position), lane.header(at: position).isAbsent {
                // There was a record, for the head has passed it. It is still not there, so it is no more.
                resynchronise(into: &events)
            }
        }
    }

    /// Goes on at the head, or behind it where the records are still in their places; and says what was missed.
    private mutating func resynchronise(into events: inout [RingTap.Event]) {
        guard let place = lane.next(after: position) else { return noteDamagedHead(into: &events) }
        note(reader.goOn(at: place), into: &events)
    }

    private func note(_ miss: LossyReader.Miss?, into events: inout [RingTap.Event]) {
        guard let miss else { return }
        events.append(
            .missed(
                TapMiss(
                    lane: lane.number, position: miss.position, nextPosition: miss.nextPosition, messages: miss.missed?.messages,
                    messageBytes: miss.missed?.byteCount, mostMessages: miss.mostMessages)))
    }

    private mutating func noteDamagedHead(into events: inout [RingTap.Event]) {
        let head = lane.head
        if damagedPosition != head {
            events.append(lane.damage(at: position, "the lane's head is \(head), no multiple of its record alignment"))
        }
        damagedPosition = head
    }
}
