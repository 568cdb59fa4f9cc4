/// Why ``EventSource/drain(limit:_:)`` stopped.
@nonexhaustive
public enum DrainResult: Sendable {
    /// Nothing is there now: the descriptor becomes readable when there is.
    case empty
    /// As many were handed out as were asked for, or all that was there when the call began: the descriptor is still readable.
    case limitReached
    /// A stream ended here: the descriptor is still readable, for the next one.
    case ended
}
