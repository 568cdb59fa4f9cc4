import CTestSupport
import Foundation
import SharedRing

/// An operation of a board's writer or keeper, stepped through one instruction at a time.
enum BoardSituation: String, CaseIterable {
    /// A value is set by copy.
    case set
    /// The same of a board that keeps the time, and with the symmetric barrier.
    case setWithTime
    /// In place.
    case update
    /// While a reader sleeps: the writer wakes it.
    case setAsleep
    /// Once, by a process that takes the entry for that.
    case setOnce
    case addEntry
    /// The writer ends.
    case close

    var name: String { "board/\(rawValue)" }

    static let key = "value"
    static let added = "added"
    static let size = 40
    /// The versions before the operation.
    static let before: UInt64 = 5

    var isSymmetric: Bool { self == .setWithTime }

    /// A value whose words are all its version.
    static func value(_ version: UInt64) -> [UInt8] {
        (0..<(size / 8)).flatMap { _ in (0..<8).map { UInt8(truncatingIfNeeded: version >> (8 * $0)) } }
    }

    func options(_ directory: String) -> RingOptions {
        var options = RingOptions()
        options.directory = directory
        options.barrier = isSymmetric ? .symmetric : .asymmetric
        return options
    }

    func make(_ name: String, in directory: String) throws(RingError) -> Board {
        try Board.create(
            name, entries: [Board.Entry(Self.key, capacity: 64)], room: Board.Room(entries: 2, byteCount: 256),
            keepsTime: self == .setWithTime,
            options: options(directory))
    }
}

// MARK: - The traced process

extension BoardSituation {
    /// Does the operation between two marks, having done it once before in another board.
    func runTraced(in directory: String) throws {
        let scratch = CrashPeer.scratch(directory)
        for round in 0..<2 {
            let board = try make("warm\(round)", in: scratch)
            try operate(board, marks: false)
        }
        try operate(try Board.open("board", options: options(directory)), marks: true)
    }

    private func operate(_ board: Board, marks: Bool) throws {
        func mark() { if marks { ts_mark() } }
        let next = Self.value(Self.before + 1)
        switch self {
        case .setOnce:
            mark()
            try board.set(Self.key, to: next)
            mark()
        case .addEntry:
            mark()
            try board.addEntry(Self.added, capacity: 100)
            mark()
        case .set, .setWithTime, .setAsleep, .update, .close:
            var writer = try board.makeWriter(Self.key)
            if self == .update {
                mark()
                try writer.update(byteCount: Self.size) { span in
                    for index in 0..<Self.size { span.storeBytes(of: next[index], toByteOffset: index, as: UInt8.self) }
                }
            } else if self == .close {
                mark()
                writer.close()
                return mark()
            } else {
                mark()
                try writer.set(next)
            }
            mark()
            writer.close()
        }
    }
}
