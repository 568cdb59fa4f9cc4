/// A block of standard input, of which the front is taken away and to the end of which is read.
struct InputBlock: ~Copyable {
    private var memory: UnsafeMutableRawBufferPointer
    private var start = 0
    private var end = 0

    init(capacity: Int) { memory = .allocate(byteCount: capacity, alignment: 64) }

    deinit { memory.deallocate() }

    /// What is in it.
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: memory[start..<end]) }

    /// Takes `count` bytes from the front.
    mutating func drop(_ count: Int) { start += count }

    /// Appends what one read gives; makes room for it first. False: the input has ended.
    mutating func read() throws -> Bool {
        let rest = bytes
        if rest.count > memory.count / 2 {
            // A message that is larger than the block. The splitter refuses it before this grows without bounds.
            let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: memory.count * 2, alignment: 64)
            larger.copyMemory(from: rest)
            memory.deallocate()
            memory = larger
        } else if start > 0 && rest.count > 0 {
            memory.baseAddress!.copyMemory(from: rest.baseAddress!, byteCount: rest.count)
        }
        (start, end) = (0, rest.count)
        let count = try StandardStreams.read(into: UnsafeMutableRawBufferPointer(rebasing: memory[end...]))
        end += count
        return count > 0
    }
}
