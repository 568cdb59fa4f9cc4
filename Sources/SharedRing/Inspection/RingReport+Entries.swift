import CSharedRing

extension RingReport {
    /// An entry of a ``Board``.
    public struct Entry: Sendable {
        /// Its number, from 0.
        public var number: Int
        /// Its key as text, repaired if it is not UTF-8.
        public var key: String
        /// Its largest value, in bytes.
        public var capacity: Int
        /// The version of its newest value; 0: there is none yet.
        public var version: UInt64
        /// The newest value's size, in bytes; nil: there is none, or it was written anew while it was looked at.
        public var byteCount: Int?
        /// What the writer gave with it; nil as above.
        public var tag: UInt32?
        /// When it was written, in nanoseconds since 1970; nil as above, or if the board does not keep the time.
        public var writtenNanoseconds: Int64?
        /// How often a writer woke readers.
        public var wakes: UInt64
        /// The process that sets it, or set it last.
        public var writer: Role
    }

    static func entries(
        of segment: Segment, _ shape: BoardShape, ring: String, role: (_ entry: Int, _ epoch: UInt32, _ again: () -> UInt32?) -> Role
    ) throws(RingError) -> [Entry] {
        var entries: [Entry] = []
        for number in 0..<shape.entryCount {
            let place = segment.header.entryOffset(number)
            let block = try segment.entryBlock(number, ring: ring)
            // What a writer does not write is left out here; a check names it.
            guard let facts = try? EntryFacts(checking: block, number, of: shape, ring: ring) else { break }
            var entry = Entry(
                number: number, key: String(decoding: facts.key, as: UTF8.self), capacity: facts.capacity, version: block.turn,
                byteCount: nil,
                tag: nil, writtenNanoseconds: nil, wakes: block.wakes,
                writer: role(number, block.writer_epoch) { (try? segment.read(sr_entry_control.self, at: place, ring: ring))?.writer_epoch }
            )
            if let (header, turn) = try newest(facts, of: segment, shape, ring: ring) {
                entry.version = turn
                entry.byteCount = Int(sr_slot_byte_count(header.word))
                entry.tag = sr_slot_tag(header.word)
                entry.writtenNanoseconds = header.time
            }
            entries.append(entry)
        }
        return entries
    }

    /// The header of an entry's newest value, read from the file. Nil: there is no value, or it did not hold still.
    static func newest(
        _ facts: EntryFacts, of segment: Segment, _ shape: BoardShape, ring: String
    ) throws(RingError) -> (header: (word: UInt64, time: Int64?), turn: UInt64)? {
        let turnPlace = segment.header.entryOffset(facts.number) + MemoryLayout<sr_entry_control>.offset(of: \.turn)!
        for _ in 0..<8 {
            let turn = try segment.read(UInt64.self, at: turnPlace, ring: ring)
            if turn == 0 { return nil }
            let slot = segment.header.dataOffset + facts.dataOffset + Int(turn & UInt64(SR_BOARD_SLOTS - 1)) * shape.stride(facts.capacity)
            let words = try segment.readWords(2, at: slot, ring: ring)
            // The calls that read the file are in order, and each of them takes longer than a reordering lasts.
            guard try segment.read(UInt64.self, at: turnPlace, ring: ring) == turn else { continue }
            return ((words[0], shape.keepsTime ? Int64(bitPattern: words[1]) : nil), turn)
        }
        return nil
    }
}
