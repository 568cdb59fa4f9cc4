/// A system call's error number, before a caller that knows the ring's name makes a ``RingError`` of it.
struct SystemFailure: Error {
    let errno: Int32

    init(_ negative: Int32) { errno = -negative }

    /// Passes a shim's result through, or throws if it is a negative error number.
    static func check(_ result: Int32) throws(SystemFailure) -> Int32 {
        if result < 0 { throw SystemFailure(result) }
        return result
    }

    /// Whether a wait on a futex ended as waits do. If not, the call is refused (a sandbox) or the word is gone (a truncated file): each further call
    /// would return at once.
    static func endedAsWaitsDo(_ result: Int32) -> Bool {
        result >= 0 || result == -tryAgain || result == -timedOut || result == -interrupted
    }

    /// Whether a call that was to open a file for writing says that this process may not write it: EPERM, EACCES, EROFS.
    static func saysReadOnly(_ errno: Int32) -> Bool { [1, permissionDenied, 30].contains(errno) }

    // The kernel's numbers, the same on x86-64 and aarch64.
    static let notFound: Int32 = 2
    static let brokenPipe: Int32 = 32
    static let badMessage: Int32 = 74
    static let connectionReset: Int32 = 104
    static let connectionRefused: Int32 = 111
    static let operationCancelled: Int32 = 125
    static let interrupted: Int32 = 4
    static let tryAgain: Int32 = 11
    static let permissionDenied: Int32 = 13
    static let badAddress: Int32 = 14
    static let exists: Int32 = 17
    static let tooLarge: Int32 = 27
    static let noSpace: Int32 = 28
    static let timedOut: Int32 = 110
    static let noMemory: Int32 = 12
    static let noSystemDescriptor: Int32 = 23
    static let noDescriptor: Int32 = 24
    static let noBuffers: Int32 = 105

    /// This process or the system has no descriptor or memory to spare now. It may have again.
    static func isShortage(_ errno: Int32) -> Bool { [noMemory, noSystemDescriptor, noDescriptor, noBuffers].contains(errno) }
}
