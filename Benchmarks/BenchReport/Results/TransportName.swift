/// A transport, or a floor: the same work with as little around it as there can be.
package enum TransportName: String, CaseIterable, Sendable {
    case ring
    case pipe
    case unixStream = "unix-stream"
    case unixSeqpacket = "unix-seqpacket"
    case tcp
    case posixQueue = "posix-mq"
    case eventfd
    /// Mode `rtt`: a call and its reply.
    case call
    /// Mode `mpsc`: slots that producers take by adding to one counter.
    case sharedTail = "shared-tail"
    /// Mode `mpsc`: the ring that is made for one producer, with the work of many producers for each message.
    case spsc
    /// Mode `throughput`: the ring's protocol and nothing around it.
    case bareRing = "bare-ring"
    case line1
    case line2
    case futex
    case stream

    package var isFloor: Bool {
        switch self {
        case .line1, .line2, .futex, .stream: true
        default: false
        }
    }

    package func serves(_ mode: Mode) -> Bool {
        switch self {
        case .eventfd, .call, .line1, .line2, .futex: mode == .rtt
        case .bareRing, .stream: mode == .throughput
        case .sharedTail, .spsc: mode == .mpsc
        case .ring, .pipe: true
        default: mode != .mpsc
        }
    }

    /// The only message it can carry, if there is no choice.
    package var fixedSize: Int? {
        switch self {
        case .eventfd, .line1, .line2, .futex: 8
        default: nil
        }
    }

    package var takesBatches: Bool {
        switch self {
        case .ring, .pipe, .unixStream, .unixSeqpacket, .tcp, .sharedTail, .spsc: true
        default: false
        }
    }
}
