import CSharedRing

extension RingReport {
    /// A server of a ``CallService``.
    public struct Server: Sendable {
        /// Its number, from 0.
        public var number: Int
        /// The process that answers, or did last.
        public var role: Role
        /// How many calls the servers of that number have started.
        public var started: UInt64
        /// How many calls the servers of that number have answered, in whatever way: with a reply, a refusal, or as failed.
        public var answered: UInt64
        /// How often the servers of that number woke a client.
        public var wakes: UInt64
    }

    /// A slot of a ``CallService``.
    public struct CallSlot: Sendable {
        /// What became of the slot's last call.
        @nonexhaustive
        public enum State: String, Sendable {
            /// It is settled, or there was none.
            case quiet
            /// No server has started it.
            case waiting
            /// A server has started it.
            case started
        }

        /// Its number, from 0.
        public var number: Int
        /// The process that calls, or did last.
        public var client: Role
        /// What became of its last call.
        public var state: State
        /// The server that has started it; nil unless it is started.
        public var server: Int?
        /// Whether the caller of a call that is started has given it up: the slot waits for the server.
        public var isGivenUp: Bool
        /// Whether the reply to the call that waits or is started is a stream.
        public var isStream: Bool
        /// The size of the request that waits or is started, in bytes; nil if the slot is quiet.
        public var byteCount: Int?
        /// How many calls were made through it.
        public var calls: UInt64
        /// How many replies came after their call was given up.
        public var lateReplies: UInt64
        /// How often its clients woke servers.
        public var wakes: UInt64
        /// One call in 64, by how long it took: number i counts those from 2^i to below 2^(i + 1) nanoseconds; the last one also those that took longer.
        public var latencyCounts: [UInt32]
    }

    static func servers(
        of segment: Segment, _ shape: CallShape, ring: String,
        role: (_ role: SharedRing.Role, _ epoch: UInt32, _ again: () -> UInt32?) -> Role
    ) throws(RingError) -> [Server] {
        var servers: [Server] = []
        for number in 0..<shape.serverCount {
            let place = segment.header.controlOffset + shape.serverOffset(number)
            let block = try segment.read(sr_server_control.self, at: place, ring: ring)
            guard block.epoch != 0 else { continue }
            let found = role(.server(number), block.epoch) { (try? segment.read(sr_server_control.self, at: place, ring: ring))?.epoch }
            servers.append(Server(number: number, role: found, started: block.started, answered: block.answered, wakes: block.wakes))
        }
        return servers
    }

    static func callSlots(
        of segment: Segment, _ shape: CallShape, ring: String,
        role: (_ role: SharedRing.Role, _ epoch: UInt32, _ again: () -> UInt32?) -> Role
    ) throws(RingError) -> [CallSlot] {
        var slots: [CallSlot] = []
        for number in 0..<shape.slotCount {
            let place = segment.header.controlOffset + shape.callerOffset(number)
            let block = try segment.read(sr_caller_control.self, at: place, ring: ring)
            guard block.epoch != 0 else { continue }
            let found = role(.caller(number), block.epoch) { (try? segment.read(sr_caller_control.self, at: place, ring: ring))?.epoch }
            let call = try CallWords(number, of: segment, shape, ring: ring)
            slots.append(
                CallSlot(
                    number: number, client: found, state: call.state, server: call.server,
                    isGivenUp: call.state == .started && block.cancel == sr_call_number(call.request),
                    isStream: call.state != .quiet && call.isStream,
                    byteCount: call.state == .quiet ? nil : Int(sr_call_byte_count(call.request)), calls: block.calls,
                    lateReplies: block.late, wakes: block.wakes,
                    // SAFETY: a fixed array of 32 words.
                    latencyCounts: unsafe withUnsafeBytes(of: block.latency) { unsafe Array($0.bindMemory(to: UInt32.self)) }))
        }
        return slots
    }

    /// The words of a slot's call, read from the file.
    struct CallWords {
        let request: UInt64
        let reply: UInt64
        let claim: UInt64
        /// Whether the call changed whenever it was looked at: then the words are of several calls.
        let isMoving: Bool

        init(_ slot: Int, of segment: Segment, _ shape: CallShape, ring: String) throws(RingError) {
            let line = segment.header.controlOffset + shape.lineOffset(slot)
            let caller = segment.header.controlOffset + shape.callerOffset(slot)
            var words = try segment.readWords(2, at: line, ring: ring)
            var claim: UInt64 = 0
            var isMoving = true
            for _ in 0..<8 where isMoving {
                claim = try segment.read(UInt64.self, at: caller, ring: ring)
                // The calls that read the file are in order, and each of them takes longer than a reordering lasts.
                let again = try segment.readWords(2, at: line, ring: ring)
                isMoving = again != words
                words = again
            }
            request = words[0]
            reply = words[1]
            self.claim = claim
            self.isMoving = isMoving
        }

        var state: CallSlot.State {
            if sr_call_number(request) == sr_call_number(reply) { return .quiet }
            return sr_call_number(claim) == sr_call_number(request) ? .started : .waiting
        }

        /// Whether the slot still has the same call, in the same state of being settled.
        func isSameCall(as other: CallWords) -> Bool { !isMoving && request == other.request && reply == other.reply }

        /// Whether the client of the last call reads a stream.
        var isStream: Bool { sr_call_how(request) & UInt32(SR_CALL_STREAMS) != 0 }

        /// Nil: it is not started, or was withdrawn.
        var server: Int? {
            let who = UInt32(truncatingIfNeeded: claim)
            return state == .started && who != 0 ? Int(sr_call_starter_server(who)) : nil
        }
    }
}
