/// A process's own memory for the messages of one call, and the descriptor through which they go.
struct MessageBuffer: ~Copyable {
    let descriptor: Int32
    /// Of a message.
    let size: Int
    let start: UnsafeMutableRawPointer

    init(_ descriptor: Int32, _ test: Case) {
        self.descriptor = descriptor
        size = test.size
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: size * test.batch, alignment: 64)
        bytes.initializeMemory(as: UInt8.self, repeating: 0)
        start = bytes.baseAddress!
    }

    deinit { start.deallocate() }

    @inline(__always)
    func fill(_ first: UInt64, count: Int) {
        for index in 0..<count { Payload.fill(start + index * size, size, first &+ UInt64(index)) }
    }

    @inline(__always)
    func check(_ first: UInt64, count: Int) throws {
        for index in 0..<count { try Payload.check(start + index * size, size, first &+ UInt64(index)) }
    }
}
