public import SharedRing

/// How a stream is carried into a ring.
public struct SubscribeOptions: Sendable {
    public var carrier = SequenceCarrier.front
    /// Ends when all that the stream has is in the ring.
    public var drains = false

    public init() {}
}

/// What a bridge into a ring has done.
public struct SubscribeCounts: Sendable, Equatable {
    public var forwarded: UInt64 = 0
    public var forwardedBytes: UInt64 = 0
    /// Messages that came again, and were dropped.
    public var dropped: UInt64 = 0
    /// Messages that the broker had delivered to a predecessor, or into a connection that broke: fetched by their sequence.
    public var fetched: UInt64 = 0
    public var reconnects = 0
    public var isConnected = false
    public var lastSequence: UInt64 = 0
    /// Messages of the stream that are not in the ring.
    public var lag: UInt64 = 0
    /// How often the ring had no room for a message within a tenth of a second.
    public var waits: UInt64 = 0
    public var lastFailure: String?

    public init() {}
}

/// Carries a stream into a ring: each message at least once, in order, and with its sequence.
public final class StreamSubscriber {
    private var producer: Producer
    private let feed: any StreamFeed
    private let options: SubscribeOptions
    private let stop: StopFlag
    private let report: (SubscribeCounts) -> Void

    public private(set) var counts = SubscribeCounts()
    /// The sequence of the last message that was committed in the ring.
    private var last: UInt64 = 0
    /// Before this sequence the log has nothing, as far as the bridge knows.
    private var first: UInt64 = 0
    /// Something is committed that the log does not know of.
    private var isAcknowledgementDue = false
    private var reportTime = 0
    /// How many requests in a row brought no message.
    private var vainRequests = 0
    private var buffer: [UInt8] = []

    public init(
        _ feed: any StreamFeed, into producer: consuming Producer, options: SubscribeOptions, stop: StopFlag,
        report: @escaping (SubscribeCounts) -> Void = { _ in }
    ) {
        self.producer = producer
        self.feed = feed
        self.options = options
        self.stop = stop
        self.report = report
    }

    /// Forwards until an end is asked for. Blocks.
    public func run() throws(BridgeError) {
        defer { reportProgress(isLast: true) }
        guard let position = try persist({ () throws(LogFailure) in try feed.open() }) else { return }
        last = position.acknowledged
        first = position.first
        // What was delivered to a predecessor comes again only after a while, and behind what is new. It is fetched now.
        guard try fetch(to: position.delivered &+ 1) else { return }
        while !stop.isRaised {
            reportProgress()
            // Acknowledged behind the commit, and before waiting.
            if !feed.hasNext { try acknowledge() }
            guard let answer = try persist({ () throws(LogFailure) in try feed.next(milliseconds: options.drains ? 1000 : 200) }) else {
                break
            }
            guard let message = answer else {
                vainRequests += 1
                let isOver = options.drains && feed.isConnected && feed.pending == 0
                if isOver || vainRequests % 5 == 0 { guard try catchUp() else { return } }
                if isOver { break }
                continue
            }
            vainRequests = 0
            isAcknowledgementDue = true
            guard message.sequence > last else {
                counts.dropped += 1
                continue
            }
            // What is between was removed from the stream, or its delivery was lost.
            if message.sequence > last &+ 1 { guard try fetch(to: message.sequence) else { return } }
            guard try forward(message) else { return }
        }
        try acknowledge()
    }

    /// Ends the ring's stream in order.
    public func close() throws(BridgeError) {
        do throws(RingError) { try producer.end() } catch { throw BridgeError(.message, error.description) }
    }

    /// Requests brought nothing, and the log may still have something. It was delivered into a request or a connection that is gone, or the broker delivers
    /// nothing since it was started again. Then it is fetched by its sequence. False: an end was asked for.
    private func catchUp() throws(BridgeError) -> Bool {
        guard let end = try persist({ () throws(LogFailure) in try feed.last() }) else { return false }
        return end > last ? try fetch(to: end &+ 1) : true
    }

    /// Forwards what the log has from behind the last message to before this sequence. False: an end was asked for.
    private func fetch(to end: UInt64) throws(BridgeError) -> Bool {
        var sequence = max(last &+ 1, first)
        if sequence < end, end - sequence > 16 {
            // Much may have expired since the last look.
            guard let now = try persist({ () throws(LogFailure) in try feed.first() }) else { return false }
            first = now
            sequence = max(sequence, first)
        }
        while sequence < end {
            guard let answer = try persist({ () throws(LogFailure) in try feed.message(at: sequence) }) else { return false }
            if let message = answer {
                guard try forward(message) else { return false }
                counts.fetched += 1
            }
            sequence += 1
        }
        return true
    }

    /// Commits a message, however long the ring is full. False: an end was asked for, and the message is not in the ring.
    private func forward(_ message: FeedMessage) throws(BridgeError) -> Bool {
        let tag: UInt32
        buffer.removeAll(keepingCapacity: true)
        switch options.carrier {
        case .front:
            tag = message.tag
            withUnsafeBytes(of: message.sequence.littleEndian) { buffer.append(contentsOf: $0) }
        case .tag: tag = UInt32(truncatingIfNeeded: message.sequence)
        }
        buffer.append(contentsOf: message.payload)
        guard buffer.count <= producer.largestMessage else {
            throw BridgeError(
                .message,
                "message \(message.sequence) of the stream has \(message.payload.count) bytes; the ring takes \(producer.largestMessage)")
        }
        while true {
            do throws(RingError) {
                try producer.send(buffer, tag: tag, timeout: .milliseconds(100))
                break
            } catch {
                switch error.code {
                case .timedOut: counts.waits += 1
                case .peerDied, .peerClosed: break  // the next receiver goes on
                default: throw BridgeError(.message, error.description)
                }
            }
            reportProgress()
            if stop.isRaised { return false }
        }
        last = message.sequence
        counts.forwarded += 1
        counts.forwardedBytes += UInt64(message.payload.count)
        return true
    }

    /// An acknowledgement that is lost is made up by a later one.
    private func acknowledge() throws(BridgeError) {
        guard isAcknowledgementDue else { return }
        do throws(LogFailure) {
            try feed.acknowledge()
            isAcknowledgementDue = false
        } catch {
            guard case .unavailable(let text) = error else { throw BridgeError(error) }
            counts.lastFailure = text
        }
    }

    private func persist<Answer>(_ ask: () throws(LogFailure) -> Answer) throws(BridgeError) -> Answer? {
        var pause = Pause()
        while !stop.isRaised {
            do throws(LogFailure) {
                return try ask()
            } catch {
                guard case .unavailable(let text) = error else { throw BridgeError(error) }
                counts.lastFailure = text
                reportProgress()
                pause.wait()
            }
        }
        return nil
    }

    private func reportProgress(isLast: Bool = false) {
        let now = nowMilliseconds()
        guard isLast || now - reportTime >= 1000 else { return }
        reportTime = now
        counts.reconnects = feed.reconnects
        counts.isConnected = feed.isConnected
        counts.lastSequence = last
        counts.lag = feed.pending
        report(counts)
    }
}
