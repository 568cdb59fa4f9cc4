import SharedRing

/// Of all servers or all slots of a call service.
extension RingReport {
    var allCalls: UInt64 { callSlots.reduce(0) { $0 &+ $1.calls } }
    var allLate: UInt64 { callSlots.reduce(0) { $0 &+ $1.lateReplies } }
    // An untrusted peer may have stored any numbers.
    var allStarted: UInt64 { servers.reduce(0) { $0 &+ $1.started } }
    var allAnswered: UInt64 { servers.reduce(0) { $0 &+ $1.answered } }
    var serverWakes: UInt64 { callSlots.reduce(0) { $0 &+ $1.wakes } }
    var clientWakes: UInt64 { servers.reduce(0) { $0 &+ $1.wakes } }
    var latencyCounts: [UInt64] {
        (0..<32).map { bucket in callSlots.reduce(0) { $0 + UInt64(bucket < $1.latencyCounts.count ? $1.latencyCounts[bucket] : 0) } }
    }

    var waitingCalls: Int { callSlots.count { $0.state == .waiting } }
    var startedCalls: Int { callSlots.count { $0.state == .started } }
    /// Of the calls that are started.
    var givenUpCalls: Int { callSlots.count(where: \.isGivenUp) }
    var attachedServers: Int { servers.count { $0.role.presence == .attached } }
    var takenSlots: Int { callSlots.count { $0.client.presence == .attached } }
}
