import SharedRing

/// What reports say in any format.
extension RingReport {
    var order: MPSCRing.Order { isTotallyOrdered ? .total : .perProducer }

    /// The bytes that wait in all lanes.
    var backlog: Int { lanes.reduce(0) { $0 + $1.backlog } }

    var attachedSubscribers: Int { subscribers.count { $0.role.presence == .attached } }

    var attachedProducers: Int { lanes.count { $0.producer.presence == .attached } }
}
