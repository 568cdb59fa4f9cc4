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
    /// How many messages are in it.
    private(set) var messages = 0

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
        messages += 1
    }

    mutating func clear() {
        count = 0
        messages = 0
    }

    /// Makes an empty buffer larger.
    mutating func grow(to size: Int) {
        memory.deallocate()
        memory = .allocate(byteCount: size, alignment: 64)
    }
}
