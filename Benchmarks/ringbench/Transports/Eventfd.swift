import Glibc

/// An eventfd carries 8 bytes when sender and receiver take turns: a read takes the whole sum.
struct EventSender: MessageSender, ~Copyable {
    private let descriptor: Int32

    init(_ descriptor: Int32, _ test: Case, _ side: Side) throws { self.descriptor = descriptor }

    mutating func send(_ first: UInt64, count: Int) throws {
        var number = first &+ 1  // a sum of 0 would wake no reader
        try libc(write(descriptor, &number, 8), "write failed")
    }
}

struct EventReceiver: MessageReceiver, ~Copyable {
    private let descriptor: Int32

    init(_ descriptor: Int32, _ test: Case, _ side: Side) throws { self.descriptor = descriptor }

    mutating func receive(_ first: UInt64, limit: Int) throws -> Int {
        var number: UInt64 = 0
        try libc(read(descriptor, &number, 8), "read failed")
        guard number == first &+ 1 else { throw Failure("\(number &- 1) arrived instead of \(first)") }
        return 1
    }
}
