import SharedRing

/// Messages on their way to standard output, as lines or frames.
struct OutputBuffer: ~Copyable {
    enum Format {
        /// Followed by a newline.
        case lines
        /// After 32 bits of little-endian byte count.
        case frames
    }

    /// A message did not fit.
    struct Full: Error {
        /// What it takes.
        let needed: Int
    }

    private let format: Format
    private var memory: UnsafeMutableRawBufferPointer
    private var count = 0

    /// A message in it.
    private struct Piece {
        let lane: Int
        /// In its lane.
        let position: UInt64
        /// In the buffer.
        let end: Int
    }

    /// In their order.
    private var pieces: [Piece] = []
    var messages: Int { pieces.count }

    init(_ format: Format, capacity: Int) {
        self.format = format
        memory = .allocate(byteCount: capacity, alignment: 64)
    }

    deinit { memory.deallocate() }

    var isEmpty: Bool { count == 0 }
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: memory[..<count]) }

    @inline(__always)
    mutating func append(_ message: borrowing Message) throws(Full) {
        let size = message.byteCount
        let overhead = format == .lines ? 1 : FrameSplitter.headerSize
        guard size + overhead <= memory.count - count else { throw Full(needed: size + overhead) }
        var place = memory.baseAddress! + count
        if format == .frames {
            place.storeBytes(of: UInt32(size).littleEndian, as: UInt32.self)
            place += FrameSplitter.headerSize
        }
        message.bytes.withUnsafeBytes { bytes in
            if let start = bytes.baseAddress { place.copyMemory(from: start, byteCount: bytes.count) }
        }
        if format == .lines { place.storeBytes(of: 10, toByteOffset: size, as: UInt8.self) }
        count += size + overhead
        pieces.append(Piece(lane: message.lane, position: message.position, end: count))
    }

    // MARK: Of which only a part was written

    /// Where the message ends that was begun when so many bytes were written; there, if none was.
    func endOfMessage(at written: Int) -> Int {
        let index = firstUnwritten(written)
        let start = index == 0 ? 0 : pieces[index - 1].end
        return index < pieces.count && start < written ? pieces[index].end : written
    }

    /// When so many bytes were written: of each lane the position of the first message that is not whole among them.
    func unwrittenPositions(_ written: Int) -> [Int: UInt64] {
        var positions: [Int: UInt64] = [:]
        for piece in pieces[firstUnwritten(written)...] where positions[piece.lane] == nil { positions[piece.lane] = piece.position }
        return positions
    }

    private func firstUnwritten(_ written: Int) -> Int { pieces.firstIndex { $0.end > written } ?? pieces.count }

    mutating func clear() {
        count = 0
        pieces.removeAll(keepingCapacity: true)
    }

    /// Makes an empty buffer larger.
    mutating func grow(to size: Int) {
        memory.deallocate()
        memory = .allocate(byteCount: size, alignment: 64)
    }
}
