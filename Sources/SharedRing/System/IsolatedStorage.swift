extension UnsafeMutablePointer where Pointee: ~Copyable {
    /// Room for one value on cache lines of its own, so that two endpoints in one process do not share one.
    static func allocateIsolated() -> Self {
        let line = 128
        let count = (MemoryLayout<Pointee>.size + line - 1) / line * line
        return unsafe UnsafeMutableRawPointer.allocate(byteCount: count, alignment: line).assumingMemoryBound(to: Pointee.self)
    }
}
