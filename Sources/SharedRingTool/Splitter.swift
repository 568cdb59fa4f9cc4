import Glibc
import SharedRing

/// What stands at the front of a block of input.
enum Split {
    /// A whole message, and how many bytes of the block it takes.
    case message(UnsafeRawBufferPointer, consumed: Int)
    /// A message goes on beyond the block.
    case partial
    /// A message that no record of the ring can hold.
    case tooLarge
}

/// Finds messages in input.
protocol Splitter {
    /// What stands at the front. The next call gets the same bytes and more after `partial`, else what follows.
    mutating func next(in bytes: UnsafeRawBufferPointer) -> Split
    /// Why the message at the front is too large, with its length.
    func refusal(of bytes: UnsafeRawBufferPointer) throws -> ToolFailure
    /// The message that the end of the input ends, if there is one.
    func last(_ bytes: UnsafeRawBufferPointer) throws -> UnsafeRawBufferPointer?
}

/// A message per line, without the newline.
struct LineSplitter: Splitter {
    let largest: Int
    /// How much of the line at the front is known to have no newline.
    private var searched = 0

    init(largest: Int) { self.largest = largest }

    mutating func next(in bytes: UnsafeRawBufferPointer) -> Split {
        guard let start = bytes.baseAddress, bytes.count > searched,
            let newline = memchr(start + searched, 10, bytes.count - searched)
        else {
            searched = bytes.count
            return searched > largest ? .tooLarge : .partial
        }
        searched = 0
        let length = UnsafeRawPointer(newline) - start
        if length > largest { return .tooLarge }
        return .message(UnsafeRawBufferPointer(start: start, count: length), consumed: length + 1)
    }

    /// Reads on to the end of the line, to be able to name its length; but not for ever.
    func refusal(of bytes: UnsafeRawBufferPointer) throws -> ToolFailure {
        var length = bytes.firstIndex(of: 10) ?? bytes.count
        var isWhole = length < bytes.count
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 64)
        defer { buffer.deallocate() }
        while !isWhole && length < 1 << 30 {
            let count = try StandardStreams.read(into: buffer)
            let rest = buffer[..<count].firstIndex(of: 10)
            length += rest ?? count
            isWhole = rest != nil || count == 0
        }
        let measure = (isWhole ? "" : "more than ") + counted(length, "byte")
        return ToolFailure("a line has \(measure), and the largest message of this ring has \(largest)")
    }

    /// A last line without a newline.
    func last(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? { bytes.isEmpty ? nil : bytes }
}

/// A message per frame: 32 bits of little-endian byte count, then the bytes.
struct FrameSplitter: Splitter {
    let largest: Int
    static let headerSize = 4

    init(largest: Int) { self.largest = largest }

    private func length(_ bytes: UnsafeRawBufferPointer) -> Int {
        Int(UInt32(littleEndian: bytes.loadUnaligned(as: UInt32.self)))
    }

    func next(in bytes: UnsafeRawBufferPointer) -> Split {
        guard bytes.count >= Self.headerSize else { return .partial }
        let length = length(bytes)
        if length > largest { return .tooLarge }
        let end = Self.headerSize + length
        if bytes.count < end { return .partial }
        return .message(UnsafeRawBufferPointer(rebasing: bytes[Self.headerSize..<end]), consumed: end)
    }

    func refusal(of bytes: UnsafeRawBufferPointer) -> ToolFailure {
        ToolFailure("a frame has \(counted(length(bytes), "byte")), and the largest message of this ring has \(largest)")
    }

    func last(_ bytes: UnsafeRawBufferPointer) throws -> UnsafeRawBufferPointer? {
        if bytes.isEmpty { return nil }
        guard bytes.count >= Self.headerSize else {
            throw ToolFailure(
                "the input ends in the middle of a frame: its header has \(counted(Self.headerSize, "byte")), of which \(bytes.count) came")
        }
        throw ToolFailure(
            "the input ends in the middle of a frame: it has \(counted(length(bytes), "byte")), of which \(bytes.count - Self.headerSize) came"
        )
    }
}
