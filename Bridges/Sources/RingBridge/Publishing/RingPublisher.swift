public import SharedRing

/// Carries the messages of a ring into a log, each exactly once and in order, whichever process is killed.
///
/// The rule behind it: **each message has one place in the log.** A message is appended behind one sequence, and the log refuses it elsewhere.
/// Whatever a killed bridge left on its way, its successor would put the same message at the same place. So it does not matter which of both did.
///
/// - In a ring of one lane, in a total order and in a broadcast the ring's order gives the place.
/// - Between lanes the ring has no order. There the first message of a window is appended alone. It carries the ``WindowPlan``: the lanes of
///   the messages behind it. A successor reads the plan back, and goes on with it.
public final class RingPublisher<Source: MessageSource & ~Copyable> {
    var source: Source
    let log: any StreamLog
    let instance: String
    /// Whether the ring has lanes without an order between them.
    let usesPlans: Bool
    /// No process has read the ring before, so the stream has none of its messages when this bridge begins.
    let isFirstReader: Bool
    let options: PublishOptions
    let stop: StopFlag
    /// Called about once a second, and at the end.
    let report: (PublishCounts) -> Void

    var window: Window
    public internal(set) var counts = PublishCounts()
    /// Of each lane, and without plans of all: messages before this position are in the stream.
    var known: [UInt64] = [0]
    /// Of each lane, and without plans of all: messages before this position were taken out of the ring by this bridge.
    var taken: [UInt64] = [0]
    /// Lanes whose messages are in the stream, and still in the ring: an acknowledgement does not cover them before they were taken.
    var outstanding: Set<Int> = []
    /// Of each lane, where the ring's acknowledged messages end.
    let heads: () throws(RingError) -> [Int: UInt64]
    /// Everything at or before this sequence is acknowledged in the ring.
    var acknowledgedSequence: UInt64 = 0
    /// Something was taken out of the ring that its acknowledgement would cover.
    var isAcknowledgementDue = false
    /// The largest payload that the log took when it was asked last: to ask takes a lock, and each message is compared.
    var largestPayload = 0
    /// Those that are counted.
    private var endsOfLanes = (closed: 0, died: 0)
    /// A message of this bridge is known to be stored.
    var hasStored = false
    /// Until when the stream is asked again for messages that the ring does not hold.
    var missingDeadline: Int?
    /// How often in a row the broker named another place for a message.
    var misplaced = 0
    /// When a receipt came last, or something was sent while nothing was in flight.
    var progressTime = nowMilliseconds()
    var reportTime = 0
    var pause = Pause()

    /// - Parameters:
    ///   - source: acknowledges manually.
    ///   - instance: the ring's.
    ///   - usesPlans: whether the ring has lanes without an order between them; then the next two are asked for.
    ///   - lanes: how many lanes the ring has.
    ///   - isFirstReader: whether no process has read the ring before.
    ///   - heads: of each lane, where its acknowledged messages end. Without plans of lane 0, in the order's own count, or of none.
    public init(
        _ source: consuming Source, instance: String, usesPlans: Bool, lanes: Int = 1, isFirstReader: Bool = false,
        heads: @escaping () throws(RingError) -> [Int: UInt64] = { () throws(RingError) in [:] }, into log: any StreamLog,
        options: PublishOptions, stop: StopFlag, report: @escaping (PublishCounts) -> Void = { _ in }
    ) {
        self.source = source
        self.instance = instance
        self.usesPlans = usesPlans
        self.isFirstReader = isFirstReader
        self.log = log
        self.options = options
        self.stop = stop
        self.report = report
        self.heads = heads
        known = [UInt64](repeating: 0, count: usesPlans ? lanes : 1)
        taken = known
        window = Window(mostMessages: options.mostMessages, mostBytes: options.mostBytes)
    }

    // MARK: Running

    /// Publishes until an end is asked for; with `drains`, until the ring is empty. Blocks.
    ///
    /// - Throws: why it stopped. What the broker has not acknowledged is still in the ring.
    public func run() throws(BridgeError) {
        defer { reportProgress(isLast: true) }
        guard try readBack() else { return }
        var deadline: Int?
        while true {
            reportProgress()
            try checkConnection()
            if stop.isRaised, deadline == nil {
                deadline = nowMilliseconds() + options.graceMilliseconds
                seal()
            }
            if deadline == nil, !window.isSealed { try take() }
            try send()
            try collect(milliseconds: 0)
            if window.isStored, !window.isEmpty, window.limit > 0 { try finish() }
            if window.isEmpty {
                try acknowledge()
                if deadline != nil { return }
                if try !waitForRing() {
                    try acknowledge()
                    return
                }
            } else if let end = deadline, nowMilliseconds() >= end {
                throw BridgeError(
                    .unfinished, "the broker did not acknowledge \(window.entries.count) messages in time; they stay in the ring")
            } else {
                try waitForBroker()
            }
        }
    }

    /// Ends the consumer in order: what was not acknowledged stays in the ring.
    public func close() throws(BridgeError) {
        do throws(RingError) { try source.end() } catch { throw BridgeError(.message, error.description) }
    }

    /// A connection that ended for good does not come back, so the messages stay in the ring, and the bridge says why.
    private func checkConnection() throws(BridgeError) {
        guard !log.isConnected else { return }
        do throws(LogFailure) { try log.checkConnection() } catch { throw BridgeError(error) }
    }

    // MARK: The ring's side

    /// Takes what is there now.
    func take() throws(BridgeError) {
        largestPayload = log.largestMessage - Window.headerRoom
        var rest = 256
        while rest > 0, !window.isSealed, try takeOne(keepsToWindow: true) { rest -= 1 }
        // With a plan nothing is sent before the window is whole.
        if usesPlans, rest > 0 { seal() }
        if !usesPlans { window.limit = window.entries.count }
    }

    /// Takes a message, if there is one and the window has room for it. False: there is none. Without room the window is sealed.
    func takeOne(keepsToWindow: Bool = false) throws(BridgeError) -> Bool {
        guard let message = source.nextIfAvailable() else { return false }
        let lane = message.lane
        if keepsToWindow, !window.hasRoom(for: message.byteCount) || window.plan.map({ !hasRoom($0, for: lane) }) ?? false {
            message.putBack()
            seal()
            return true
        }
        try take(message)
        return true
    }

    /// One message: it is in the stream already, is no message for the stream, or takes its place in the window.
    func take(_ message: borrowing Message) throws(BridgeError) {
        isAcknowledgementDue = true
        let (lane, position, tag) = (message.lane, message.sequence, message.tag)
        let key = usesPlans ? lane : 0
        if key < known.count {
            taken[key] = position &+ 1
            if position < known[key] {
                if taken[key] == known[key] { outstanding.remove(key) }
                counts.skipped += 1
                return
            }
        }
        if message.byteCount > largestPayload { largestPayload = log.largestMessage - Window.headerRoom }
        if message.byteCount > largestPayload {
            let payload = message.array
            return try refuse(
                MessageID(instance: instance, lane: lane, position: position), tag, payload,
                "it has \(message.byteCount) bytes, and the broker takes \(log.largestMessage), with \(Window.headerRoom) for headers")
        }
        message.bytes.withUnsafeBytes { window.append(lane: lane, position: position, tag: tag, $0) }
        if usesPlans {
            if window.plan == nil { window.plan = WindowPlan(acknowledged: acknowledgedSequence) }
            window.plan?.append(lane: lane)
        }
    }

    /// From now on the window waits for the broker.
    func seal() {
        guard !window.isEmpty, !window.isSealed else { return }
        window.isSealed = true
        window.limit = window.entries.count
    }

    /// The message can't go into the stream.
    func refuse(_ id: MessageID, _ tag: UInt32, _ payload: [UInt8], _ reason: String) throws(BridgeError) {
        guard options.usesDeadLetters else {
            throw BridgeError(.message, "message \(id.position) of lane \(id.lane) can't be published: \(reason)")
        }
        pause = Pause()
        while true {
            do throws(LogFailure) {
                try payload.withUnsafeBytes { bytes in
                    Result { () throws(LogFailure) in
                        try log.storeDeadLetter(DeadLetter(id: id, tag: tag, reason: reason, payload: bytes))
                    }
                }.get()
                counts.deadLetters += 1
                return
            } catch {
                guard case .unavailable(let text) = error else { throw BridgeError(error) }
                counts.lastFailure = text
                reportProgress()
                if stop.isRaised { throw BridgeError(.unfinished, "a message waits for the dead-letter subject; it stays in the ring") }
                pause.wait()
            }
        }
    }

    /// Nothing is in the window: waits for the next message, at most a tenth of a second. False: the ring is empty, and that was the end.
    func waitForRing() throws(BridgeError) -> Bool {
        let isThere = try takeNext(timeout: options.drains ? .zero : .milliseconds(100))
        if !usesPlans { window.limit = window.entries.count }
        return isThere || !options.drains
    }

    /// Takes the next message, or the end of a producer's stream, waiting for it. False: there was none in this time.
    func takeNext(timeout: Duration) throws(BridgeError) -> Bool {
        var taken: Result<Void, BridgeError> = .success(())
        do throws(RingError) {
            if let message = try source.next(timeout: timeout) {
                do throws(BridgeError) { try take(message) } catch { taken = .failure(error) }
            } else {
                counts.ends += 1
                isAcknowledgementDue = true
            }
        } catch {
            switch error.code {
            case .timedOut:
                countEndsOfLanes()
                return false
            case .peerDied:
                counts.deaths += 1
                isAcknowledgementDue = true
            default: throw BridgeError(.message, error.description)
            }
        }
        try taken.get()
        return true
    }

    /// Between lanes a producer's end goes by without ending the messages. Its record waits for an acknowledgement as a message does.
    private func countEndsOfLanes() {
        let ends = source.ends
        guard (ends.closed, ends.died) != endsOfLanes else { return }
        counts.ends += UInt64(ends.closed - endsOfLanes.closed)
        counts.deaths += UInt64(ends.died - endsOfLanes.died)
        endsOfLanes = (ends.closed, ends.died)
        isAcknowledgementDue = true
    }

    /// Everything that was taken is in the stream.
    func acknowledge() throws(BridgeError) {
        guard isAcknowledgementDue else { return }
        do throws(RingError) { try source.acknowledge() } catch { throw BridgeError(.message, error.description) }
        if outstanding.isEmpty { acknowledgedSequence = window.base }
        isAcknowledgementDue = false
    }

    // MARK: Reporting

    func reportProgress(isLast: Bool = false) {
        let now = nowMilliseconds()
        guard isLast || now - reportTime >= 1000 else { return }
        reportTime = now
        countEndsOfLanes()
        counts.reconnects = log.reconnects
        counts.isConnected = log.isConnected
        counts.inFlight = window.inFlight
        counts.windowBytes = window.byteCount
        counts.lastSequence = window.base &+ UInt64(window.confirmed)
        report(counts)
    }
}

/// A pause that grows from 20 ms to 2 s.
struct Pause {
    private var milliseconds = 20

    mutating func wait() {
        sleep(milliseconds: milliseconds)
        milliseconds = min(2000, milliseconds * 2)
    }
}
