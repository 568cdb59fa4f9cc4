import CSharedRing

/// What receives a listener's clients: a thread that has their handshakes go side by side, and what came of them, for `accept` to take.
///
/// - Handshakes under way and links that were not taken yet occupy places; there are `places` of them. While all are occupied, further
///   clients wait in the kernel's queue, unless a client has been silent for its share of time: the longest silent one goes then.
/// - A handshake ends at its deadline.
/// - While the process is out of descriptors or memory, accepting rests, `rest` at a time.
/// - `news` is readable exactly while there are outcomes, or the listener is closed.
@safe
final class Reception: @unchecked Sendable {
    /// What there is to say to a caller of `accept`.
    enum Outcome {
        case link(OwnedLink)
        /// A client was turned away, or could not be served now.
        case refused(RingError)
        /// No client can be served, as the listener was made.
        case failed(RingError)
    }

    /// A task that waits for news. Its state is under the lock.
    @safe
    final class Waiter: @unchecked Sendable {
        let deadline: Deadline
        fileprivate var continuation: UnsafeContinuation<Void, Never>?
        fileprivate var isOver = false

        init(until deadline: Deadline) { self.deadline = deadline }
    }

    private struct State {
        var outcomes: [Outcome] = []
        var linkCount = 0
        var waiters: [Waiter] = []
        var isClosed = false
    }

    private static let places = 64
    /// Outcomes that are no links and were not asked for: older ones are dropped.
    private static let remembered = 64
    /// In nanoseconds.
    private static let rest: Int64 = 10_000_000

    private let listening: ListeningSocket
    private let options: LinkOptions
    /// The segment that is handed out instead of links.
    private let service: Descriptor?
    private let state = Guarded(State())
    /// See the invariants.
    let news: Descriptor
    /// Has the thread look at the state.
    private let kick: Descriptor

    // The thread's own.
    private var handshakes: [ListenerHandshake] = []
    private var restsUntil: Int64 = 0
    /// A shortage was reported, and no client was accepted since.
    private var isShort = false

    init(_ listening: ListeningSocket, _ options: LinkOptions, service: Descriptor? = nil) throws(RingError) {
        self.listening = listening
        self.options = options
        self.service = service
        func event() throws(RingError) -> Descriptor {
            let event = sr_event()
            guard event >= 0 else { throw RingError(.system, link: listening.path, errno: -event, "no event descriptor") }
            return Descriptor(event)
        }
        news = try event()
        kick = try event()
        do throws(SystemFailure) {
            try OwnThread.start("sharedring-link") { self.run() }
        } catch {
            throw RingError(.system, link: listening.path, errno: error.errno, "no thread to receive clients with")
        }
    }

    // MARK: The side of accept

    var isClosed: Bool { state.withLock { $0.isClosed } }

    /// What came next, if something did.
    func next() -> Outcome? {
        let outcome = state.withLock { state -> Outcome? in
            guard !state.outcomes.isEmpty else { return nil }
            let first = state.outcomes.removeFirst()
            if case .link = first { state.linkCount -= 1 }
            if state.outcomes.isEmpty, !state.isClosed { _ = news.withNumber { sr_event_clear($0) } }
            return first
        }
        // A place is free again.
        if case .link = outcome { wakeThread() }
        return outcome
    }

    /// Waits until there may be something, or until the deadline. Blocks.
    func wait(until deadline: Deadline) {
        news.withNumber { number in
            var entry = sr_wait_entry(fd: number, is_ready: 0)
            // SAFETY: one entry, for the length of the call.
            _ = unsafe sr_wait_any(&entry, 1, deadline.nanoseconds)
        }
    }

    /// The same, and holds no thread. Ends with the task's cancellation, too.
    func wait(until deadline: Deadline) async {
        let waiter = Waiter(until: deadline)
        await withTaskCancellationHandler {
            await unsafe withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
                let mustWait = state.withLock { state in
                    if waiter.isOver || !state.outcomes.isEmpty || state.isClosed { return false }
                    unsafe waiter.continuation = continuation
                    state.waiters.append(waiter)
                    return true
                }
                if !mustWait {
                    unsafe continuation.resume()
                } else if deadline.nanoseconds != .max {
                    wakeThread()
                }
            }
        } onCancel: {
            state.withLock { state in
                state.waiters.removeAll { $0 === waiter }
                Self.end(waiter)
            }
        }
    }

    /// Ends it all: waits, handshakes, links that were not taken, the socket and its files.
    func close() {
        state.withLock { state in
            guard !state.isClosed else { return }
            state.isClosed = true
            state.outcomes = []
            _ = news.withNumber { sr_event_set($0) }
            Self.endAll(&state.waiters)
        }
        listening.close()
        wakeThread()
    }

    private func wakeThread() { _ = kick.withNumber { sr_event_set($0) } }

    /// Under the lock, by which each is resumed once.
    private static func end(_ waiter: Waiter) {
        waiter.isOver = true
        // SAFETY: taken, and so resumed once.
        if let continuation = unsafe waiter.continuation.take() { unsafe continuation.resume() }
    }

    private static func endAll(_ waiters: inout [Waiter]) {
        for waiter in waiters { end(waiter) }
        waiters = []
    }

    // MARK: The thread's side

    private func report(_ outcome: Outcome) {
        state.withLock { state in
            guard !state.isClosed else { return }
            if case .link = outcome { state.linkCount += 1 }
            state.outcomes.append(outcome)
            if state.outcomes.count - state.linkCount > Self.remembered {
                let oldest = state.outcomes.firstIndex { if case .link = $0 { false } else { true } }
                if let oldest { state.outcomes.remove(at: oldest) }
            }
            _ = news.withNumber { sr_event_set($0) }
            Self.endAll(&state.waiters)
        }
    }

    /// An error of one handshake, or of an attempt to accept.
    private func report(_ error: RingError) {
        switch error.code {
        case .wrongOwner, .incompatible, .handshakeFailed, .peerDied, .outOfSpace: report(.refused(error))
        case .system where SystemFailure.isShortage(error.errno ?? 0): report(.refused(error))
        default: report(.failed(error))
        }
    }

    private func run() {
        while true {
            let now = sr_now_ns()
            // Waiters whose time is over, and when the next one's is.
            let (isClosed, taken, nextWaiter) = state.withLock { state in
                let over = state.waiters.filter { $0.deadline.isPassed(at: now) }
                if !over.isEmpty { state.waiters.removeAll { $0.deadline.isPassed(at: now) } }
                for waiter in over { Self.end(waiter) }
                return (state.isClosed, state.linkCount, state.waiters.map(\.deadline.nanoseconds).min() ?? .max)
            }
            guard !isClosed else { return handshakes = [] }
            giveUpOverdue(at: now)
            let hasPlace = handshakes.count + taken < Self.places
            // In the order in which they came.
            let oldestSilent = handshakes.first(where: \.isSilent)
            let isShareOver = oldestSilent.map { now &- $0.begun >= share } ?? false
            let isResting = now < restsUntil
            var end = min(nextWaiter, handshakes.map(\.deadline.nanoseconds).min() ?? .max)
            if isResting { end = min(end, restsUntil) }
            if !hasPlace, !isShareOver, let oldestSilent { end = min(end, oldestSilent.begun &+ share) }
            let ready = wait(accepting: (hasPlace || isShareOver) && !isResting, until: end)
            guard !ready.isEmpty else { continue }
            if ready[0] { _ = kick.withNumber { sr_event_clear($0) } }
            // The handshakes that were waited for, in the order of their entries.
            for (handshake, isReady) in zip(handshakes, ready.dropFirst(2)) where isReady { proceed(handshake) }
            if ready[1], hasPlace || oldestSilent.map(giveUp) ?? false { accept() }
        }
    }

    /// Which of these can be read from: the kick, the listening socket, the handshakes' sockets. Empty: none.
    private func wait(accepting: Bool, until end: Int64) -> [Bool] {
        // An entry of -1 is not waited for.
        let sockets = [kick, listening.descriptor] + handshakes.map(\.socket.descriptor)
        return sockets.withNumbers { numbers in
            var entries = numbers.map { sr_wait_entry(fd: $0, is_ready: 0) }
            if !accepting { entries[1].fd = -1 }
            // SAFETY: the array's own entries, for the length of the call.
            let count = unsafe entries.withUnsafeMutableBufferPointer { unsafe sr_wait_any($0.baseAddress!, UInt32($0.count), end) }
            if count < 0 { sr_sleep_ns(Self.rest) }  // no memory for the call
            return count > 0 ? entries.map { $0.is_ready != 0 } : []
        }
    }

    private func giveUpOverdue(at now: Int64) {
        for handshake in handshakes where handshake.deadline.isPassed(at: now) { report(handshake.socket.silence) }
        handshakes.removeAll { $0.deadline.isPassed(at: now) }
    }

    /// How long a silent client's place is its own though others want it, in nanoseconds.
    private var share: Int64 { options.handshakeTimeout.wholeNanoseconds / 8 }

    /// Makes room for a client that waits. False: this one has said something since, or came to an end.
    private func giveUp(_ handshake: ListenerHandshake) -> Bool {
        guard handshake.isSilent, let index = handshakes.firstIndex(where: { $0 === handshake }) else { return false }
        handshakes.remove(at: index)
        report(RingError(.handshakeFailed, link: listening.path, "the other side said nothing, and its place was wanted"))
        return true
    }

    private func accept() {
        let accepted = listening.descriptor.withNumber { sr_socket_accept($0, 0) }
        if accepted == -SystemFailure.timedOut { return }
        do throws(RingError) {
            guard accepted >= 0 else {
                restsUntil = sr_now_ns() &+ Self.rest
                let error = RingError(.system, link: listening.path, errno: -accepted, "no client can be accepted now; it is tried again")
                if !isShort || !SystemFailure.isShortage(-accepted) { throw error }
                return
            }
            isShort = false
            handshakes.append(try ListenerHandshake(LinkSocket(Descriptor(accepted), path: listening.path), options, service: service))
        } catch {
            isShort = accepted < 0
            report(error)
        }
    }

    private func proceed(_ handshake: ListenerHandshake) {
        do throws(RingError) {
            guard let link = try handshake.proceed() else {
                if handshake.isServed { handshakes.removeAll { $0 === handshake } }
                return
            }
            handshakes.removeAll { $0 === handshake }
            report(.link(link))
        } catch {
            handshakes.removeAll { $0 === handshake }
            report(error)
        }
    }
}
