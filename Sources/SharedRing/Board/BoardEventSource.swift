/// A reader of a ``Board`` whose descriptor an event loop can watch: epoll, Dispatch, SwiftNIO.
///
/// The descriptor is *level-triggered*: it is readable from the moment when an entry has a newer value than the reader knows (and at first) until
/// ``poll()`` has answered nil. Only that answer arms it anew, in an order that loses no change.
///
/// The descriptor is an eventfd of this process: watch it, and do not read it, write it or close it. It is closed with this value; stop watching
/// before. In a forked child it means nothing.
@safe
public struct BoardEventSource<Reader: BoardChangeSource & ~Copyable>: ~Copyable, @unchecked Sendable {
    private var held: Reader
    private let lease: EventLease

    init(_ reader: consuming Reader, _ lease: EventLease) {
        held = reader
        self.lease = lease
    }

    /// Readable while ``poll()`` finds something.
    public var descriptor: Int32 { lease.event.descriptor.userNumber }

    /// What has changed since the reader read it, or since a change was reported last; nil: nothing, and the event follows. Two or three system calls then.
    ///
    /// - Throws: `notFound` if the board was removed; `cancelled` if nothing changed and the canceller was used; `poisoned`, `forked`.
    public mutating func poll() throws(RingError) -> Reader.Changes? {
        guard try onBoard({ () throws(RingError) in try lease.event.mayLook() }) else { return nil }
        if let change = try held.changeNow() { return change }
        try onBoard { () throws(RingError) in try lease.event.arm() }
        return nil
    }

    /// Calls the body with the reader, to read what has changed. Where the descriptor is not readable, the reader's calls throw `alreadyWaiting`.
    public mutating func withReader<Result, Failure: Error>(
        _ body: (inout Reader) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(&held)
    }

    /// The reader again. Waits for the waiter thread to let go of it, some microseconds. The descriptor is closed.
    public consuming func reader() -> Reader {
        lease.event.takeBack()
        return held
    }
}

/// What a ``BoardEventSource`` asks for changes: a ``BoardReader`` or a ``BoardView``.
public protocol BoardChangeSource: ~Copyable, Sendable {
    /// What it reports of a change.
    associatedtype Changes: Sendable

    /// What has changed since it was read, or since a change was reported last; nil: nothing. A load for each entry; neither waits nor makes a system call.
    mutating func changeNow() throws(RingError) -> Changes?
}

extension BoardReader: BoardChangeSource {
    /// The newest version, if the reader does not know it; nil: it does, or there is no value yet. The reader knows it from now on.
    ///
    /// - Throws: `notFound` if a wait found that the board was removed; `poisoned`, `alreadyWaiting`, `forked`.
    public mutating func changeNow() throws(RingError) -> UInt64? {
        try onBoard { () throws(RingError) in try core.takeChanges().first?.version }
    }

    /// Makes a descriptor that is readable while there is a newer value than the reader knows. It owns the reader from now on.
    ///
    /// - Throws: `system` if there is no descriptor to be had; the reader ends then.
    public consuming func eventSource() throws(RingError) -> BoardEventSource<BoardReader> {
        let lease = try EventLease.of(core, core.watch)
        return BoardEventSource(self, lease)
    }
}

extension BoardView: BoardChangeSource {
    /// The entries with newer values than the view knows, with their newest versions; nil: there are none. The view knows them from now on.
    ///
    /// - Throws: `notFound` if a wait found that the board was removed; `poisoned`, `alreadyWaiting`, `forked`.
    public mutating func changeNow() throws(RingError) -> [Change]? {
        try onBoard { () throws(RingError) in
            let changes = try core.takeChanges()
            return changes.isEmpty ? nil : core.changes(changes)
        }
    }

    /// Makes a descriptor that is readable while an entry has a newer value than the view knows. It owns the view from now on.
    ///
    /// - Throws: `system` if there is no descriptor to be had; the view ends then.
    public consuming func eventSource() throws(RingError) -> BoardEventSource<BoardView> {
        let lease = try EventLease.of(core, core.watch)
        return BoardEventSource(self, lease)
    }
}
