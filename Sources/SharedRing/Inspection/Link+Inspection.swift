extension Link {
    /// The ring to the other side, to examine it: ``MessageRing/report()``, ``MessageRing/check()``, ``MessageRing/statistics()``,
    /// ``MessageRing/tap(from:isDataDumped:)``.
    ///
    /// It has no name; reports call it by the link's path, or by its label on the listener's side. The value keeps the ring's memory, and can be used when the link has ended. Take it before
    /// you take the endpoints out of the link. Allocates; no system call.
    public var outgoingRing: SPSCRing { SPSCRing(of: producer.core.attachment) }

    /// The ring from the other side, to examine it. Otherwise as ``outgoingRing``.
    public var incomingRing: SPSCRing { SPSCRing(of: consumer.core.attachment) }
}

extension SPSCRing {
    /// The ring of an endpoint that is one producer or one consumer's, and has no name.
    fileprivate init(of attachment: Attachment) { self.init(trusted: RingHandle(of: attachment)) }
}
