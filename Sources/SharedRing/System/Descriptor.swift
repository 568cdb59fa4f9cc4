import CSharedRing

/// A descriptor of the library's own: at least 3, closed when nothing needs it any more, and closed in a forked child.
///
/// The number is not to be had but for the length of a call. Swift releases an object after its last use, in a release build at
/// once, and elements of an array first of all: a number that outlived this object would be closed by then, or another file's.
final class Descriptor: Sendable {
    private let number: Int32
    private let generation = sr_fork_generation()

    /// Takes over what a function of the shim has opened.
    init(_ number: Int32) { self.number = number }

    // In a forked child the number was closed before anything ran there, and may stand for something else by now.
    deinit { if !isInherited { _ = sr_close(number) } }

    /// This process was forked since, and has no such descriptor.
    var isInherited: Bool { generation != sr_fork_generation() }

    /// Calls the body with the number, which stands for this file until the body returns; in a forked child with -1, which is none.
    func withNumber<Result, Failure: Error>(_ body: (Int32) throws(Failure) -> Result) throws(Failure) -> Result {
        defer { withExtendedLifetime(self) {} }
        return try body(isInherited ? -1 : number)
    }

    /// The number to give to the user, who keeps what owns this object as long as it is in use.
    var userNumber: Int32 { isInherited ? -1 : number }
}

extension [Descriptor] {
    /// Calls the body with all numbers, in order.
    func withNumbers<Result, Failure: Error>(_ body: ([Int32]) throws(Failure) -> Result) throws(Failure) -> Result {
        defer { withExtendedLifetime(self) {} }
        return try body(map(\.userNumber))
    }
}
