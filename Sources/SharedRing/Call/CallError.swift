/// How a call ended that brought no reply, and what is known of its request.
///
/// Each call returns a reply or exactly one ``Outcome``. A program decides by that; ``reason`` says what ended the call.
public struct CallError: Error, Sendable, CustomStringConvertible {
    /// What is known of the request. A service carries a request out at most once, always.
    @nonexhaustive
    public enum Outcome: Sendable, Hashable {
        /// The server answered that there is no reply; see ``Failure``.
        case failed(Failure)
        /// The request was not carried out, and never will be: it was withdrawn before a server started it, or was not made at all.
        case notExecuted
        /// A server started it and has gone without an answer: it may have been carried out, in part or wholly.
        case unknown
        /// It was given up when a server had started it: the server may carry it out yet. The slot is used again only when that is over.
        case stillOpen
    }

    /// Why a server has no reply.
    @nonexhaustive
    public enum Failure: Sendable, Hashable {
        /// The service refused the request; ``CallError/refusal`` has its bytes.
        case refused
        /// The server let go of the request without an answer.
        case dropped
        /// The server closed before it answered.
        case closed
        /// The request was impossible: larger than the capacity, or with flags that the server does not know.
        case malformed
    }

    /// What is known of the request.
    public let outcome: Outcome
    /// What ended the call: `timedOut`, `cancelled`, `messageTooLarge`, `callFailed`, `peerDied`, …
    public let reason: RingError
    /// The call's name, for a retry; nil if no request was made.
    public let token: CallToken?
    /// The service's bytes with a refusal; else empty.
    public let refusal: [UInt8]

    init(_ outcome: Outcome, _ reason: RingError, token: CallToken?, refusal: [UInt8] = []) {
        self.outcome = outcome
        self.reason = reason.aboutCalls
        self.token = token
        self.refusal = refusal
    }

    /// The service's bytes with a refusal, as text.
    public var refusalText: String { String(decoding: refusal, as: UTF8.self) }

    /// One sentence: the reason, and what is known of the request.
    public var description: String { "\(reason); the call \(outcome)" }
}

extension CallError.Outcome: CustomStringConvertible {
    /// "failed (dropped)", "was not executed", "may have been executed (unknown)", "is still open".
    public var description: String {
        switch self {
        case .failed(let failure): "failed (\(failure))"
        case .notExecuted: "was not executed"
        case .unknown: "may have been executed (unknown)"
        case .stillOpen: "is still open"
        }
    }
}
