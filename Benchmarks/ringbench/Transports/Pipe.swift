import CBench

extension Case {
    /// A pipe as large as an ordinary user may have. Its ends are a `ByteSender` and a `ByteReceiver`.
    func openPipe() throws -> (Int32, Int32) {
        var ends: [Int32] = [-1, -1]
        try succeeded(ends.withUnsafeMutableBufferPointer { cb_pipe($0.baseAddress!, Int32(clamping: capacity)) }, "no pipe")
        return (ends[1], ends[0])
    }
}
