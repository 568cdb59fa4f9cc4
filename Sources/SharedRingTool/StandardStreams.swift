import Glibc
import SharedRing

/// Standard input, output and error, without buffers.
enum StandardStreams {
    /// Were descriptor 0, 1 or 2 closed, the ring's file would get its number, and would be read as input or, worse, written
    /// as output. So something is put there that can't be read or written respectively.
    static func occupyClosedDescriptors() {
        for (descriptor, mode) in [(STDIN_FILENO, O_WRONLY), (STDOUT_FILENO, O_RDONLY), (STDERR_FILENO, O_RDONLY)]
        where fcntl(descriptor, F_GETFD) == -1 {
            // `open` takes the lowest free number, which is this one, as the lower ones are open by now.
            _ = open("/dev/null", mode)
        }
    }

    // MARK: Input

    /// One read(2). 0: the input has ended.
    static func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        while true {
            let count = Glibc.read(STDIN_FILENO, buffer.baseAddress, buffer.count)
            if count >= 0 { return count }
            let error = errno
            guard isPassing(error, waitingFor: POLLIN, on: STDIN_FILENO) else {
                throw ToolFailure("standard input can't be read (\(text(of: error)))")
            }
        }
    }

    /// Reads until the buffer is full or the input has ended.
    static func fill(_ buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        var filled = 0
        while filled < buffer.count {
            let count = try read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[filled...]))
            if count == 0 { break }
            filled += count
        }
        return filled
    }

    /// Standard input to its end, at most so many bytes.
    ///
    /// - Parameters:
    ///   - isKept: which bytes count, and are returned.
    ///   - complaint: what is said of more; nil: that it is more.
    static func rest(upTo limit: Int, where isKept: (UInt8) -> Bool = { _ in true }, or complaint: String? = nil) throws -> [UInt8] {
        var all: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = try block.withUnsafeMutableBytes { try read(into: $0) }
            if count == 0 { return all }
            all += block[..<count].lazy.filter(isKept)
            if all.count > limit { throw ToolFailure(complaint ?? "standard input has more than \(counted(limit, "byte"))") }
        }
    }

    // MARK: Output

    /// Writes all of it to standard output. A second after a signal has asked for an end, what is not written is given up.
    static func write(_ bytes: UnsafeRawBufferPointer) throws(ToolFailure) {
        let (_, error) = writeAll(bytes, to: STDOUT_FILENO) { Signals.isEndOverdue }
        if error == EINTR { throw .endedInOrder }
        if error != 0 { throw outputFailure(error) }
    }

    /// Writes to standard output until a signal asks for an end in order.
    ///
    /// - Returns: how many bytes were written, and why not all; 0: all were. EINTR: a signal has asked.
    static func writeUntilAsked(_ bytes: UnsafeRawBufferPointer) -> (count: Int, error: Int32) {
        writeAll(bytes, to: STDOUT_FILENO) { Signals.isEndAskedFor }
    }

    /// Writes what should not stay half written, though a signal has asked for an end: for a second at most.
    static func writeRest(_ bytes: UnsafeRawBufferPointer) -> (count: Int, error: Int32) {
        let begin = ContinuousClock.now
        return writeAll(bytes, to: STDOUT_FILENO) { begin.duration(to: .now) > .seconds(1) }
    }

    /// For a write that failed with this errno.
    static func outputFailure(_ error: Int32) -> ToolFailure {
        error == EPIPE ? .outputClosed : ToolFailure("standard output can't be written (\(text(of: error)))")
    }

    static func print(_ text: String) throws(ToolFailure) {
        var text = text
        // `withUTF8` throws without a type.
        try text.withUTF8 { utf8 in Result { () throws(ToolFailure) in try write(UnsafeRawBufferPointer(utf8)) } }.get()
    }

    /// A sentence on standard error, on one line: whatever control characters it has, of names for example, are escaped here.
    static func note(_ sentence: String) { writeError("sharedring: \(sentence.printable)\n") }

    /// As it is, to standard error; if that fails, there is no other place for it.
    static func writeError(_ text: String) {
        var text = text
        _ = text.withUTF8 { writeAll(UnsafeRawBufferPointer($0), to: STDERR_FILENO) { Signals.isEndOverdue } }
    }

    // MARK: Below

    /// How many bytes were written, and the errno of the write that failed; 0: none did. Looks at `isOver` when it is interrupted.
    private static func writeAll(
        _ bytes: UnsafeRawBufferPointer, to descriptor: Int32, until isOver: () -> Bool = { false }
    ) -> (count: Int, error: Int32) {
        var written = 0
        while written < bytes.count {
            let count = Glibc.write(descriptor, bytes.baseAddress! + written, bytes.count - written)
            let error = count < 0 ? errno : 0
            if count >= 0 {
                written += count
            } else if !isPassing(error, waitingFor: POLLOUT, on: descriptor) {
                return (written, error)
            }
            // A write that is interrupted in the midst gives the count so far.
            if written < bytes.count, isOver() { return (written, EINTR) }
        }
        return (written, 0)
    }

    /// Whether to try again: interrupted, or the descriptor does not block (another process shares it) and had to be waited
    /// for.
    private static func isPassing(_ error: Int32, waitingFor event: Int32, on descriptor: Int32) -> Bool {
        if error == EINTR { return true }
        guard error == EAGAIN else { return false }
        var request = pollfd(fd: descriptor, events: Int16(event), revents: 0)
        _ = poll(&request, 1, -1)
        return true
    }

    private static func text(of error: Int32) -> String { String(cString: strerror(error)) }
}
