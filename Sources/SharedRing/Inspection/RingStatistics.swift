import CSharedRing

/// What a ring's users have counted since it was made: messages, bytes, waits and wakes, lane by lane.
///
/// Read from the file like a ``RingReport``: it takes no role, maps nothing, is noticed by no user, and works on what dead or stopped
/// processes left. Two readings and the time between them give rates.
///
/// Each counter is written by its owner alone and goes on from owner to owner. Of a ring in use, each is a moment's, and not all
/// are the same moment's. Messages and bytes are exact, whichever process was killed: a producer publishes a checkpoint now and
/// then, and what it has sent since is counted in the ring itself. (Of a lane that overtakes its reader three times in a row, the newest checkpoint
/// is given.) The protocol reads none of them, so an untrusted peer can write anything there: any value is taken as it is found.
public struct RingStatistics: Sendable {
    /// One lane.
    public struct Lane: Sendable {
        /// Its number.
        public var number: Int
        /// Who sends, or sent last.
        public var producer: RingReport.Role
        /// Committed messages. Ends of streams are none.
        public var messages: UInt64
        /// Of their payloads. A ticket is none of it.
        public var byteCount: UInt64
        /// How often its producer looked for room and found none.
        public var full: UInt64
        /// How often its producer went to sleep, for room, an acknowledgement or a consumer. One long wait is many sleeps: one a check interval.
        public var sleeps: UInt64
        /// How often its producer woke the consumer after a commit.
        public var wakes: UInt64
        /// How often the consumer woke its producer.
        public var producerWakes: UInt64
        /// The most bytes that its producer saw unacknowledged, of the times it looked: it looks when it seems to have no room left, and
        /// when it is asked.
        public var largestBacklog: UInt64
        /// The bytes that wait now, headers and gaps included: from 0 to the capacity, whatever the lane's words are.
        public var backlog: Int

        /// The messages that took no wake: the consumer was awake, or the message was committed together with others. 0 if there were
        /// more wakes than messages, since an end of a stream wakes as well.
        public var wakesElided: UInt64 { messages > wakes ? messages - wakes : 0 }
    }

    /// What the ring looks like: its lanes, and their holders.
    public let report: RingReport
    /// When the counters were read: nanoseconds of `CLOCK_MONOTONIC`.
    public let readNanoseconds: Int64
    /// How often the consumer went to sleep. One long wait is many sleeps: one a check interval.
    public let consumerSleeps: UInt64
    /// The lanes that were ever used.
    public let lanes: [Lane]

    /// Reads a ring's counters. O(lanes) system calls.
    ///
    /// - Parameters:
    ///   - name: the ring's name.
    ///   - options: the directory and the allowed owners count.
    /// - Throws: as ``SPSCRing/open(_:options:)``.
    public init(_ name: String, options: RingOptions = RingOptions()) throws(RingError) {
        try self.init(named: FileName(name), options: options)
    }

    /// As ``init(_:options:)``, of a name that need not be text.
    public init(named name: FileName, options: RingOptions = RingOptions()) throws(RingError) {
        try self.init(InspectedRing(name, options: options))
    }

    /// As ``init(_:options:)``, of a ring that a descriptor leads to. The descriptor stays the caller's.
    ///
    /// - Throws: as ``SPSCRing/open(descriptor:options:)``, whatever kind of ring it is.
    public init(descriptor: Int32, options: RingOptions = RingOptions()) throws(RingError) {
        try self.init(InspectedRing(descriptor: descriptor, options: options))
    }

    init(_ ring: InspectedRing) throws(RingError) {
        let segment = ring.segment
        let header = segment.header
        guard header.hasLanes else {
            throw RingError(
                .incompatible, ring: ring.ring,
                "it is \(header.kind.article), through which no messages pass; its report has what there is to know")
        }
        // The roles first: asking for them takes longest, and the counters' time should be one.
        report = try RingReport(ring)
        readNanoseconds = sr_now_ns()
        consumerSleeps = try segment.consumerControl(ring: ring.ring).statistics.sleeps
        var lanes: [Lane] = []
        for lane in report.lanes {
            let control = try segment.laneControl(lane.number, ring: ring.ring)
            let checkpoint = try Checkpoint(lane.number, of: segment, ring: ring.ring)
            lanes.append(Lane(control, checkpoint, of: lane))
        }
        self.lanes = lanes
    }
}

extension RingStatistics.Lane {
    init(_ control: sr_lane_control, _ checkpoint: Checkpoint, of lane: RingReport.Lane) {
        let counted = control.producer_statistics
        number = lane.number
        producer = lane.producer
        messages = checkpoint.messages
        byteCount = checkpoint.byteCount
        full = counted.full
        sleeps = counted.sleeps
        wakes = counted.wakes
        producerWakes = control.consumer_statistics.wakes
        largestBacklog = counted.backlog
        backlog = lane.backlog
    }
}
