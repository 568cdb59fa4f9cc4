/// Answers the calls of a ``CallService``. Make one with ``CallService/makeServer(waiting:options:)``.
///
/// Clients get their turns one after another, however often one of them calls. Several servers share the work: each call is started by one of them. A call
/// that is there neither makes a system call nor allocates.
///
/// The server ends with ``close()`` or when it is dropped. Either way, calls that it has started and not answered are answered as failed (closed), and
/// calls that it has not started wait for the next server.
public struct CallServer: ~Copyable, Sendable {
    let core: ServerCore

    init(_ core: ServerCore) { self.core = core }

    deinit { core.close() }

    /// Ends the server's waiting from another thread.
    public var canceller: Canceller { Canceller(core.cancelFlag) }

    /// Its number among the service's servers.
    public var number: Int { core.number }

    // MARK: One by one

    /// The next call, started: waits for it. Blocks; in a task the asynchronous form is meant.
    ///
    /// - Parameter timeout: nil, for ever; zero, only to look.
    /// - Throws: `timedOut`, `cancelled`, `alreadyWaiting`, `forked`.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    public mutating func next(timeout: Duration? = nil) throws(RingError) -> CallRequest {
        try onCalls { () throws(RingError) in CallRequest(core, try core.wait(until: Deadline(after: timeout))) }
    }

    /// The next call, started, if there is one now; nil if there is none. Never waits; no system call.
    ///
    /// - Throws: `alreadyWaiting`, `forked`.
    public mutating func nextIfAvailable() throws(RingError) -> CallRequest? {
        try onCalls { () throws(RingError) in
            try core.requireUsable()
            guard let started = core.poll() else { return nil }
            return CallRequest(core, started)
        }
    }

    /// The next call, started: waits for it without holding a thread.
    ///
    /// - Parameter timeout: nil, for ever; zero, only to look.
    /// - Throws: `timedOut`; `cancelled` if the task is cancelled or the ``canceller`` was used; `alreadyWaiting`, `forked`.
    public mutating func next(timeout: Duration? = nil) async throws(RingError) -> CallRequest {
        do throws(RingError) {
            return CallRequest(core, try await core.waitWithoutThread(until: Deadline(after: timeout)))
        } catch {
            throw error.aboutCalls
        }
    }

    // MARK: All

    /// Answers one call after another, until the ``canceller`` is used or the handler throws. Blocks.
    ///
    /// ```swift
    /// try server.serve { request, answer in
    ///     guard request.byteCount > 0 else { return try answer.refuse("empty") }
    ///     try answer.reply(request.bytes)
    /// }
    /// ```
    ///
    /// - Parameter handler: answers the call with `answer`. If it returns or throws without an answer, the call is answered as failed (dropped).
    /// - Throws: what the handler throws, but for what a ``CallStreamWriter`` threw because of its client; `cancelled`, `alreadyWaiting`, `forked`.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    public mutating func serve(_ handler: (_ request: borrowing CallRequest, _ answer: inout CallAnswer) throws -> Void) throws {
        while true {
            let request = try next()
            var answer = CallAnswer(request)
            do { try handler(request, &answer) } catch { guard core.isOfOneStream(error) else { throw error } }
        }
    }

    /// Answers one call after another without holding a thread, until the task is cancelled, the ``canceller`` is used or the handler throws.
    ///
    /// Cancellation ends it between two calls, also under traffic without end. After some hundred calls in a row other tasks get their turn.
    ///
    /// - Parameter handler: as of the form that blocks. It may answer later: see ``CallRequest/deferred()``.
    /// - Throws: what the handler throws, but for what a ``CallStreamWriter`` threw because of its client; `cancelled`, `alreadyWaiting`, `forked`.
    public mutating func serve(_ handler: (_ request: consuming CallRequest) async throws -> Void) async throws {
        var answered = 0
        while true {
            // A client that always calls again leaves nothing to wait for.
            if Task.isCancelled {
                throw RingError(.cancelled, ring: core.memory.ring, "the task that answered calls was cancelled").aboutCalls
            }
            let request = try await next()
            do { try await handler(request) } catch { guard core.isOfOneStream(error) else { throw error } }
            answered &+= 1
            if answered & 255 == 0 { await Task.yield() }
        }
    }

    /// Ends the server in order. Calls that it has started are answered as failed (closed). Waits for a handler of another thread that is just writing its reply in place.
    public consuming func close() { core.close() }

    /// Ends the server as ``close()`` does, where it can't be given away: in a stored property, an actor, a `defer`.
    ///
    /// Ending again does nothing; everything else throws `ended` from then on.
    ///
    /// - Throws: `forked`; `alreadyWaiting` while a task waits for this server.
    public mutating func end() throws(RingError) { try onCalls { () throws(RingError) in try core.end() } }
}
