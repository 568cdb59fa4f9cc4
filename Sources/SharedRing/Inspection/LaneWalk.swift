import CSharedRing

/// A lane's committed records, read from the file one header after the other, as a successor of its producer would walk them.
struct LaneWalk: Equatable {
    let head: UInt64
    /// Where the first absent header stands, or the one that cannot be.
    private(set) var tail: UInt64
    private(set) var messages = 0
    /// Of the messages alone.
    private(set) var byteCount = 0
    private(set) var closeRecords = 0
    private(set) var deathRecords = 0
    /// Whether the last record is an end record: then a successor leaves out its own.
    private(set) var endsWithEndRecord = false
    private(set) var damage: RingCheck.Damage?

    /// Walks from `control.head`, which was read before. Whether the lane has moved meanwhile is for the caller to find out.
    init(_ lane: Int, from control: sr_lane_control, of segment: Segment, ring: String) throws(RingError) {
        let header = segment.header
        let shape = LaneShape(header)
        head = control.head
        tail = head
        func broken(_ detail: String, at position: UInt64) -> RingCheck.Damage {
            RingCheck.Damage(
                lane: lane, position: position, fileOffset: header.dataOffset + lane * header.laneCapacity + Int(position & shape.mask),
                detail: detail)
        }
        guard shape.isAligned(head) else {
            damage = broken("its head is \(head), no multiple of its record alignment \(shape.alignment)", at: head)
            return
        }

        var words = WordWindow(segment, start: header.dataOffset + lane * header.laneCapacity, count: header.laneCapacity, ring: ring)
        var lastTicket: UInt64?
        var walk = RecordWalk(shape, fromHead: head)
        walk: while true {
            switch try walk.next({ position throws(RingError) in RecordHeader(bits: try words.word(at: position & shape.mask)) }) {
            case .message(let record):
                if header.isTotallyOrdered {
                    let ticket = try words.word(at: (record.position &+ UInt64(SR_RECORD_HEADER_SIZE)) & shape.mask)
                    if let lastTicket, ticket <= lastTicket {
                        damage = broken(
                            "the ticket at position \(tail) is \(ticket), no larger than the one before, \(lastTicket)", at: tail)
                        return
                    }
                    lastTicket = ticket
                }
                messages += 1
                byteCount += record.byteCount
                endsWithEndRecord = false
            case .end(let record):
                if record.header.tag & 1 == 0 { closeRecords += 1 } else { deathRecords += 1 }
                endsWithEndRecord = true
            case .absent:
                break walk
            case .malformed(_, let bits):
                damage = broken(Self.sentence(about: RecordHeader(bits: bits), shape), at: tail)
                return
            case .beyondCapacity(_, let end):
                damage = broken(
                    "the record at position \(tail) would end at \(end), further from the head \(head) than the capacity \(shape.capacity) allows",
                    at: tail)
                return
            }
            tail = walk.position
        }

        if let lastTicket {
            // Drawn before its record was committed, and so before it was read here.
            let drawn = try segment.read(sr_lanes_control.self, at: header.controlOffset, ring: ring).tickets
            if lastTicket >= drawn {
                damage = broken("a message has the ticket \(lastTicket), and only those below \(drawn) were drawn", at: head)
            }
        }
        // The checkpoint was published after the records' headers and read before them. Its tail says that records were there up to it.
        let published = Checkpoint(published: control).tail
        let claimed = published &- head
        if damage == nil, claimed <= shape.capacity, claimed > tail &- head {
            damage = broken(
                "its producer had committed up to position \(published), but its records end at \(tail): \(claimed &- (tail &- head)) bytes are gone",
                at: tail)
        }
    }

    /// Of a lane that never held still: its newest published positions, and nothing about its records.
    init(inMotion control: sr_lane_control) {
        head = control.head
        tail = Checkpoint(published: control).tail
    }

    private static func sentence(about record: RecordHeader, _ shape: LaneShape) -> String {
        let bits = "the record header is 0x\(String(record.bits, radix: 16))"
        return record.isPresent
            ? "\(bits), a message of \(shape.messageSize(record)) bytes where \(shape.largestMessage) is the largest"
            : "\(bits), without the bit that every record has"
    }
}

/// A part of a file, of which words are read here and there, mostly onwards.
struct WordWindow {
    private static let size = 4096

    private let segment: Segment
    private let start: Int
    private let count: Int
    private let ring: String
    private var words: [UInt64] = []
    private var first = 0

    init(_ segment: Segment, start: Int, count: Int, ring: String) {
        self.segment = segment
        self.start = start
        self.count = count
        self.ring = ring
    }

    /// The word at a multiple of 8 below `count`.
    mutating func word(at offset: UInt64) throws(RingError) -> UInt64 {
        let index = Int(offset) / 8
        if index < first || index >= first + words.count {
            words = try segment.readWords(min(Self.size, count - index * 8) / 8, at: start + index * 8, ring: ring)
            first = index
        }
        return words[index - first]
    }
}
