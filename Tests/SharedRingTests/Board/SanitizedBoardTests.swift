import CSharedRing
import Foundation
import TestSupport
import Testing

@testable import SharedRing

/// Both sides of an entry over one mapping, in two threads: see `SanitizedTests`.
@Suite("Sanitized: a board's entry, written and read by two threads over one mapping", .oneByOne, .serialized)
struct SanitizedBoardTests {
    /// A board's mappings, and the two sides of its first entry.
    private final class Entry: @unchecked Sendable {
        let data: Mapping
        let control: Mapping
        let writer: UnsafeMutablePointer<EntryWriter>
        let reader: UnsafeMutablePointer<EntryReader>

        init(capacity: Int, isAsymmetric: Bool) throws {
            let board = try Board.anonymous(entries: [Board.Entry("a", capacity: capacity)])
            let segment = try Segment.open(Descriptor(try board.duplicateDescriptor()), ring: "board", owners: .sameUser)
            data = try Mapping.data(of: segment, writable: true, prefault: true, ring: "board")
            let (mapping, offset) = try Mapping.control(of: segment, ring: "board")
            control = mapping
            let blocks = BoardBlocks(control.base + offset, try #require(segment.header.board), ring: "board")
            let facts = try #require(try blocks.entry(0))
            writer = .allocate(capacity: 1)
            writer.initialize(to: EntryWriter(facts, blocks, values: data.base, isAsymmetric: isAsymmetric))
            reader = .allocate(capacity: 1)
            reader.initialize(to: EntryReader(facts, blocks, values: UnsafeRawPointer(data.base)))
        }

        deinit {
            writer.deallocate()
            reader.deallocate()
        }
    }

    @Test("Sanitized set and read: the turn brings the value along", arguments: [48, 4096], [false, true])
    func values(capacity: Int, isAsymmetric: Bool) throws {
        let entry = try Entry(capacity: capacity, isAsymmetric: isAsymmetric)
        let count = capacity > 64 ? 100 : 3000
        // How far the reader is. The writer is never so far ahead that it writes the slot that is being read: that is no race of the protocol, which
        // judges such a copy afterwards, but the sanitizer does not know it. It is behind the reads, so it orders nothing that the turn is to order.
        let read = Turn()
        let writer = Worker {
            let patience = Patience()
            for number in 1...count {
                while read.value + 2 < number { try patience.yield() }
                let target = entry.writer.pointee.begin().assumingMemoryBound(to: UInt8.self)
                let letter = UInt8(truncatingIfNeeded: number)
                for index in 0..<capacity { target[index] = letter }
                entry.writer.pointee.commit(byteCount: capacity, tag: UInt32(number))
            }
        }
        let reader = Worker { () throws -> Int in
            let patience = Patience()
            var wrong = 0
            while read.value < count {
                guard let found = entry.reader.pointee.look(), found.turn > UInt64(read.value) else {
                    try patience.yield()
                    continue
                }
                // In place. Both sides go byte by byte through typed pointers: see `SanitizedTests`. A copy that the shim makes shows the sanitizer nothing.
                let source = found.value.assumingMemoryBound(to: UInt8.self)
                var isEqual = found.byteCount == capacity && found.stamp.tag == UInt32(found.turn)
                let letter = UInt8(truncatingIfNeeded: found.turn)
                for index in 0..<capacity where source[index] != letter { isEqual = false }
                let isWhole = entry.reader.pointee.isWhole(found)
                if !isWhole || !isEqual || entry.reader.pointee.accept(found) != nil { wrong += 1 }
                read.set(Int(found.turn))
            }
            return wrong
        }
        try writer.join()
        #expect(try reader.join() == 0)
    }

    @Test("Sanitized endpoints: writers, waiters and readers with their own mappings") func endpoints() throws {
        let board = try Board.anonymous(entries: [Board.Entry("a", capacity: 64), Board.Entry("b", capacity: 64)])
        let waiters = try (0..<2).map { number in
            let box = Box(try board.makeReader(number == 0 ? "a" : "b", waiting: .sleep))
            return Worker { () throws -> UInt64 in
                var reader = box.take()
                var last: UInt64 = 0
                while last < 500 { last = try reader.nextChange(timeout: patience) }
                return try #require(try reader.value(as: UInt64.self))
            }
        }
        for key in ["a", "b"] {
            var writer = try board.makeWriter(key)
            for number in 1...UInt64(500) { try writer.set(value: number) }
        }
        for waiter in waiters { #expect(try waiter.join() == 500) }
    }

    @Test("Sanitized event source of a view: its owner asks for its keys while entries are added and the waiter thread looks for them")
    func eventSource() throws {
        let count = 64
        let board = try Board.anonymous(
            entries: [Board.Entry("first", capacity: 8)], room: Board.Room(entries: count, byteCount: count * 64))
        var source = try board.makeView().eventSource()
        let adder = Worker {
            for number in 0..<count {
                try board.addEntry("\(number)", capacity: 8, timeout: patience)
                try board.set("\(number)", to: "x", timeout: patience)
            }
        }
        let bound = Patience()
        var changed = 0
        while changed < count {
            if let changes = try source.poll() {
                changed += changes.count
                continue
            }
            // The descriptor is armed, so the waiter thread has the view.
            for _ in 0..<10 { #expect(source.withReader { $0.keys.count } <= count + 1) }
            try bound.yield()
        }
        try adder.join()
        #expect(source.withReader { $0.keys.count } == count + 1)
    }
}
