import CSharedRing

extension RingReport {
    /// The slots of a broadcast that were ever used.
    static func subscribers(
        of segment: Segment, ring: String, role: (_ role: SharedRing.Role, _ epoch: UInt32, _ again: () -> UInt32?) -> Role
    ) throws(RingError) -> [Subscriber] {
        let header = segment.header
        let shape = LaneShape(header)
        var subscribers: [Subscriber] = []
        let isAsleep = try segment.laneControl(0, ring: ring).space_doorbell != 0
        for (slot, control) in try segment.subscriberControls(ring: ring) {
            // Behind the head, so no older than it is.
            let tail = try Checkpoint(0, of: segment, ring: ring).tail
            let isHeld = shape.isAligned(control.head) && tail &- control.head <= shape.capacity
            let claim = SlotClaim(control)
            subscribers.append(
                Subscriber(
                    number: slot,
                    name: claim.name.isEmpty ? nil : String(decoding: claim.name, as: UTF8.self), isDurable: claim.isDurable,
                    isSoftGated: control.soft == 1, missed: control.soft == 1 ? control.missed_messages : 0,
                    role: role(.subscriber(slot), control.epoch) {
                        (try? segment.read(sr_subscriber_control.self, at: header.slotOffset(slot), ring: ring))?.epoch
                    },
                    head: isHeld ? control.head : nil, backlog: isHeld ? Int(tail &- control.head) : 0, holdsPublisherUp: false))
        }
        let most = subscribers.map(\.backlog).max() ?? 0
        for i in subscribers.indices where isAsleep && most > 0 && subscribers[i].backlog == most {
            subscribers[i].holdsPublisherUp = true
        }
        return subscribers
    }
}
