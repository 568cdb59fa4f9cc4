import BenchReport
import CBench
import Glibc

// The methods of the ends are not marked `@inline(__always)`: their bodies would then sit in the protocol's thunks, which the
// compiler (Swift 6.3) does not inline in turn, and each message would cost an indirect call.

/// One process's sending end of a transport.
protocol MessageSender: ~Copyable {
    init(_ descriptor: Int32, _ test: Case, _ side: Side) throws
    /// Sends messages number `first ..< first + count`, in one call where the transport has one for that.
    mutating func send(_ first: UInt64, count: Int) throws
    /// Sends messages, each in a call of its own.
    mutating func sendEach(_ numbers: Range<UInt64>) throws
}

/// One process's receiving end.
protocol MessageReceiver: ~Copyable {
    init(_ descriptor: Int32, _ test: Case, _ side: Side) throws
    /// Receives and checks the messages from number `first` on that are there, waiting for one if there are none. Returns
    /// how many it were, at most `limit`.
    mutating func receive(_ first: UInt64, limit: Int) throws -> Int
    /// Receives messages, each in a call of its own.
    mutating func receiveEach(_ numbers: Range<UInt64>) throws
}

// A ring's call is over in the time that a call of `send` takes, so a ring has loops of its own. System calls take much longer.

extension MessageSender where Self: ~Copyable {
    mutating func sendEach(_ numbers: Range<UInt64>) throws {
        for number in numbers { try send(number, count: 1) }
    }
}

extension MessageReceiver where Self: ~Copyable {
    mutating func receiveEach(_ numbers: Range<UInt64>) throws {
        for number in numbers { _ = try receive(number, limit: 1) }
    }
}

/// The descriptors of one process, for `init` of its ends; -1 where it has no such end.
struct Ends {
    var sending: Int32 = -1
    var receiving: Int32 = -1

    func close() {
        if sending >= 0 { Glibc.close(sending) }
        if receiving >= 0 && receiving != sending { Glibc.close(receiving) }
    }
}

extension Case {
    /// Makes what the two processes use: both ways for round trips, otherwise from the peer to the parent.
    func open() throws -> (parent: Ends, peer: Ends) {
        switch transport {
        case .pipe: return try openWays { try openPipe() }
        case .unixStream: return try openPair { cb_unix_pair($0, 0, Int32(clamping: capacity)) }
        case .unixSeqpacket: return try openPair { cb_unix_pair($0, 1, Int32(clamping: capacity)) }
        case .tcp: return try openPair { cb_tcp_pair($0) }
        case .ring: return try openWays { try openRing() }
        case .posixQueue: return try openWays { try openQueue() }
        case .call:
            let (parent, peer) = try openCalls()
            return (Ends(sending: parent, receiving: parent), Ends(sending: peer, receiving: peer))
        case .eventfd: return try openWays { try twice(succeeded(cb_eventfd(), "no eventfd")) }
        case .line1, .futex: return try openShared(4096)
        case .line2: return try openShared(TwoLines.size)
        case .stream: return try openShared(StreamArea.size(of: self))
        case .bareRing: return try openShared(BareRing.size(of: self))
        case .sharedTail: return try openWays { try twice(openSharedTail()) }
        case .spsc: return try openWays { try openRing() }
        }
    }

    private func openWays(_ openWay: () throws -> (sending: Int32, receiving: Int32)) throws -> (parent: Ends, peer: Ends) {
        let back = try openWay()
        let forth = mode == .rtt ? try openWay() : (-1, -1)
        return (
            Ends(sending: forth.0, receiving: back.receiving),
            Ends(sending: back.sending, receiving: forth.1)
        )
    }

    private func openPair(_ open: (UnsafeMutablePointer<Int32>) -> Int32) throws -> (parent: Ends, peer: Ends) {
        var ends: [Int32] = [-1, -1]
        try succeeded(ends.withUnsafeMutableBufferPointer { open($0.baseAddress!) }, "no \(transport.rawValue) connection")
        return (Ends(sending: ends[0], receiving: ends[0]), Ends(sending: ends[1], receiving: ends[1]))
    }

    private func openShared(_ size: Int) throws -> (parent: Ends, peer: Ends) {
        let (one, two) = try twice(makeMemory(size))
        return (Ends(sending: one, receiving: one), Ends(sending: two, receiving: two))
    }

    /// A descriptor for each of two processes.
    func twice(_ descriptor: Int32) throws -> (Int32, Int32) {
        (descriptor, try libc(dup(descriptor), "no second descriptor"))
    }
}

/// Work on a pair of ends, compiled for each of them: a measuring loop has no dynamic calls.
protocol EndsVisitor {
    associatedtype Result
    func visit<S: MessageSender & ~Copyable, R: MessageReceiver & ~Copyable>(_: S.Type, _: R.Type) throws -> Result
}

extension TransportName {
    func accept<Visitor: EndsVisitor>(_ visitor: Visitor) throws -> Visitor.Result {
        switch self {
        case .ring: try visitor.visit(RingSender.self, RingReceiver.self)
        case .pipe: try visitor.visit(ByteSender.self, ByteReceiver.self)
        case .unixStream: try visitor.visit(ByteSender.self, ByteReceiver.self)
        case .tcp: try visitor.visit(ByteSender.self, ByteReceiver.self)
        case .unixSeqpacket: try visitor.visit(PacketSender.self, PacketReceiver.self)
        case .posixQueue: try visitor.visit(QueueSender.self, QueueReceiver.self)
        case .call: try visitor.visit(CallSender.self, CallReceiver.self)
        case .eventfd: try visitor.visit(EventSender.self, EventReceiver.self)
        case .line1: try visitor.visit(OneLine.self, OneLine.self)
        case .line2: try visitor.visit(TwoLines.self, TwoLines.self)
        case .futex: try visitor.visit(BareFutex.self, BareFutex.self)
        case .stream: try visitor.visit(StreamSender.self, StreamReceiver.self)
        case .bareRing: try visitor.visit(BareRingSender.self, BareRingReceiver.self)
        case .sharedTail, .spsc: throw Failure("\(rawValue) is for mpsc")
        }
    }
}
