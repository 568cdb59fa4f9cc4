/// When a consumer gives the space of a message back, and with it the promise not to need it again.
public enum Acknowledgement: Sendable {
    /// When the view of a message ends.
    case automatic
    /// When ``Consumer/acknowledge()`` is called: for handlers with side effects, which want a message again if they die
    /// before they are done with it.
    case manual
}
