/// When a consumer gives the space of a message back, and with it the promise not to need it again.
@nonexhaustive
public enum Acknowledgement: Sendable {
    /// When the view of a message ends.
    case automatic
    /// When ``Consumer/acknowledge()`` is called: for handlers with side effects, which want a message again if they die
    /// before they are done with it.
    ///
    /// Acknowledge before waiting: a consumer that waits for a message while a full ring waits for its acknowledgement waits for
    /// ever. The end of a stream is to be acknowledged too, or the next consumer meets it again.
    case manual
}
