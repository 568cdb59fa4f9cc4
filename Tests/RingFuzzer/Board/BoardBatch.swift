import CSharedRing
import Glibc
import SharedRing

/// Many cases of `board`: an untrusted peer writes into a board, and readers, writers and onlookers get data or an error.
enum BoardBatch {
    static func run(seed: UInt64, cases: Int, tally: Tally) throws(RingError) {
        TestDirectory.make()
        let victims = [try BoardVictim("plain", keepsTime: false), try BoardVictim("timed", keepsTime: true)]
        var seeds = Choices(seed: seed)
        for _ in 0..<cases {
            let seed = seeds.word()
            tally[.seed] = seed
            var choices = Choices(seed: seed)
            var one = BoardCase(victims[choices.below(victims.count)], choices, tally)
            one.run()
        }
    }
}

/// A board whose file is also mapped beside the library, as an untrusted peer has it, and the state that it is put back into.
final class BoardVictim {
    let name: String
    let options: RingOptions
    let segment: MappedSegment

    static let keys = ["first", "second", "added"]

    init(_ name: String, keepsTime: Bool) throws(RingError) {
        var options = RingOptions()
        options.directory = TestDirectory.directory(of: getpid())
        let board = try Board.create(
            name, entries: [Board.Entry("first", capacity: 48), Board.Entry("second", capacity: 300)],
            room: Board.Room(entries: 2, byteCount: 256), keepsTime: keepsTime, options: options)
        for turn in 0..<6 {
            for key in Self.keys.prefix(2) { try board.set(key, to: [UInt8](repeating: UInt8(turn), count: 40)) }
        }
        self.name = name
        self.options = options
        segment = MappedSegment(name, options)
    }
}

/// One board that an untrusted peer writes into, before and between all that honest processes do.
struct BoardCase {
    private let victim: BoardVictim
    private var choices: Choices
    private let tally: Tally

    init(_ victim: BoardVictim, _ choices: Choices, _ tally: Tally) {
        self.victim = victim
        self.choices = choices
        self.tally = tally
    }

    mutating func run() {
        victim.segment.restore()
        for _ in 0...choices.below(3) { mutate() }
        do throws(RingError) {
            try play(try Board.open(victim.name, options: victim.options))
        } catch {
            tally.add(.refused)
        }
        tally.add(.cases)
    }

    // MARK: The untrusted peer

    private static func word<Root, Value>(_ path: KeyPath<Root, Value>) -> (Int, Int) { MappedSegment.word(path) }

    private static let header = [
        word(\sr_header.board.entry_count), word(\sr_header.board.keeps_time), word(\sr_header.board.data_size),
        word(\sr_header.total_size),
        word(\sr_header.control_offset), word(\sr_header.data_offset), word(\sr_header.kind), word(\sr_header.layout_hash),
        word(\sr_header.required_features), word(\sr_header.header_length), word(\sr_header.checksum),
    ]
    private static let entry = [
        word(\sr_entry_control.state), word(\sr_entry_control.key_length), word(\sr_entry_control.capacity),
        word(\sr_entry_control.capacity),
        word(\sr_entry_control.data_offset), word(\sr_entry_control.data_offset), word(\sr_entry_control.key.0),
        word(\sr_entry_control.turn),
        word(\sr_entry_control.turn), word(\sr_entry_control.turn), word(\sr_entry_control.writer_epoch),
        word(\sr_entry_control.event_word),
        word(\sr_entry_control.holder.pid), word(\sr_entry_control.holder.name.0),
    ]

    private mutating func value() -> UInt64 {
        switch choices.below(8) {
        case 0: choices.word()
        case 1: .max - UInt64(choices.below(300))
        case 2: 1 << UInt64(choices.below(64))
        case 3: (1 << UInt64(choices.below(64))) &- 1
        case 4: UInt64(choices.below(70))
        case 5: UInt64(128 * choices.below(80))
        default: UInt64(choices.below(8))
        }
    }

    private mutating func mutate() {
        tally.add(.mutations)
        let segment = victim.segment
        let control = segment.control
        let (place, size): (UnsafeMutableRawPointer, Int)
        switch choices.below(12) {
        case 0:
            let (offset, count) = Self.header[choices.below(Self.header.count)]
            (place, size) = (segment.base + offset, count)
        case 1...6:
            let (offset, count) = Self.entry[choices.below(Self.entry.count)]
            (place, size) = (control + Int(sr_entry_offset(UInt32(choices.below(4)))) + offset, count)
        case 7: (place, size) = (control + MemoryLayout<sr_board_control>.offset(of: \.event_word)!, 4)
        case 8...10:  // a slot's header
            let data = Int(sr_page_size()) * 2
            (place, size) = (segment.base + min(data + 64 * choices.below(40), segment.size - 8), 4)
        default: (place, size) = (segment.base + choices.below(segment.size / 8) * 8, 8)
        }
        segment.store(value(), size, at: place, &choices)
    }

    // MARK: Honest processes

    private func key(_ choices: inout Choices) -> String { BoardVictim.keys[choices.below(BoardVictim.keys.count)] }

    private mutating func attempt(_ body: (inout Choices) throws(RingError) -> Void) {
        do throws(RingError) { try body(&choices) } catch {
            tally.add(error.code == .poisoned ? .poisoned : .failures)
        }
    }

    private mutating func play(_ board: Board) throws(RingError) {
        tally.add(.opened)
        let tally = tally
        var reader: BoardReader?
        var view: BoardView?
        var writer: BoardWriter?
        let options = EndpointOptions(checkInterval: .microseconds(1))
        for _ in 0..<(6 + choices.below(30)) {
            switch choices.below(14) {
            case 0...3: mutate()
            case 4:
                let key = key(&choices)
                attempt { _ throws(RingError) in
                    reader = try board.makeReader(key, waiting: .sleep, options: options)
                    tally.add(.attached)
                }
            case 5:
                attempt { _ throws(RingError) in
                    view = try board.makeView(waiting: .sleep, options: options)
                    tally.add(.attached)
                }
            case 6:
                writer = nil
                let key = key(&choices)
                attempt { _ throws(RingError) in
                    writer = try board.makeWriter(key)
                    tally.add(.attached)
                }
            case 7, 8:
                guard var one = reader.take() else { continue }
                attempt { choices throws(RingError) in
                    switch choices.below(3) {
                    case 0: tally.add(.bytes, try one.get()?.bytes.count ?? 0)
                    case 1: _ = try one.value(as: UInt64.self)
                    default: _ = try one.nextChange(timeout: .microseconds(50))
                    }
                    tally.add(.received)
                }
                reader = consume one
            case 9:
                guard var one = view.take() else { continue }
                attempt { choices throws(RingError) in
                    switch choices.below(3) {
                    case 0: tally.add(.bytes, try one.snapshot().count)
                    case 1: _ = try one.get("first")
                    default: _ = try one.nextChanges(timeout: .microseconds(50))
                    }
                    tally.add(.received)
                }
                view = consume one
            case 10, 11:
                guard var one = writer.take() else { continue }
                attempt { choices throws(RingError) in
                    try one.set([UInt8](repeating: 7, count: choices.below(60)))
                    tally.add(.sent)
                }
                if choices.below(4) > 0 { writer = consume one } else { one.close() }
            case 12:
                attempt { choices throws(RingError) in try board.addEntry("added", capacity: 1 + choices.below(80), timeout: .zero) }
            default:
                tally.add(.inspected)
                let victim = victim
                attempt { _ throws(RingError) in _ = try RingReport(victim.name, options: victim.options) }
                attempt { _ throws(RingError) in
                    tally.add(.damages, try RingCheck(victim.name, options: victim.options).damage.count)
                }
            }
        }
    }
}
