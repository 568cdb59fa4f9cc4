/// A server of a ``CallService`` whose descriptor an event loop can watch: epoll, Dispatch, SwiftNIO.
///
/// The descriptor is *level-triggered*: it is readable from the moment when a call waits (and at first) until ``poll()`` has answered nil. Only that answer
/// arms it anew, in an order that loses no call.
///
/// The descriptor is an eventfd of this process: watch it, and do not read it, write it or close it. It is closed with this value; stop watching
/// before. In a forked child it means nothing.
@safe
public struct CallEventSource: ~Copyable, @unchecked Sendable {
    private var held: CallServer
    private let lease: EventLease

    init(_ server: consuming CallServer, _ lease: EventLease) {
        held = server
        self.lease = lease
    }

    /// Readable while ``poll()`` finds something.
    public var descriptor: Int32 { lease.event.descriptor.userNumber }

    /// The next call, started, if there is one now. Nil: there is none, and the event follows; two or three system calls then.
    ///
    /// - Throws: `cancelled` if there is none and the canceller was used; `forked`.
    public mutating func poll() throws(RingError) -> CallRequest? {
        guard try onCalls({ () throws(RingError) in try lease.event.mayLook() }) else { return nil }
        if let request = try held.nextIfAvailable() { return request }
        try onCalls { () throws(RingError) in try lease.event.arm() }
        return nil
    }

    /// The server again. Waits for the waiter thread to let go of it, some microseconds. The descriptor is closed.
    public consuming func server() -> CallServer {
        lease.event.takeBack()
        return held
    }

    /// Ends the server in order, where this value can't be given away; see ``CallServer/end()``. Waits for the waiter thread to let go of it, some
    /// microseconds. The descriptor stays open, and readable, until this value goes.
    public mutating func end() throws(RingError) {
        lease.event.takeBack()
        try held.end()
    }
}

extension CallServer {
    /// Makes a descriptor that is readable while calls wait. It owns the server from now on.
    ///
    /// - Throws: `system` if there is no descriptor to be had; the server ends then.
    public consuming func eventSource() throws(RingError) -> CallEventSource {
        let lease: EventLease
        do throws(RingError) { lease = try EventLease.of(core, core.watch) } catch { throw error.aboutCalls }
        return CallEventSource(self, lease)
    }
}
