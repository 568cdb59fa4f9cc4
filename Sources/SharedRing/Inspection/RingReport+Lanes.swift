import CSharedRing

extension RingReport {
    /// The lanes that were ever used.
    static func lanes(
        of segment: Segment, ring: String, role: (_ role: SharedRing.Role, _ epoch: UInt32, _ again: () -> UInt32?) -> Role
    ) throws(RingError) -> [Lane] {
        let header = segment.header
        var lanes: [Lane] = []
        for number in 0..<header.laneCount {
            let control = try segment.laneControl(number, ring: ring)
            guard control.producer_epoch != 0 else { continue }
            let tail = try Checkpoint(number, of: segment, ring: ring).tail
            // Where no receiver holds anything, nothing waits.
            let isHeld = header.kind.keepsMessagesForLater ? true : try segment.slowestHead(ring: ring) != nil
            // The tail is a little newer than the head. An untrusted peer's words may hold anything.
            let backlog = isHeld ? Int64(bitPattern: tail &- control.head) : 0
            let producer = role(.lane(number), control.producer_epoch) {
                (try? segment.laneControl(number, ring: ring))?.producer_epoch
            }
            let unreported = Int(sr_epoch_attachments_since(control.producer_epoch, control.reported_end))
            lanes.append(
                Lane(
                    number: number, producer: producer,
                    endsReported: max(0, Int(sr_epoch_attachments(control.producer_epoch)) - unreported),
                    head: isHeld ? control.head : tail,
                    tail: tail, backlog: Int(min(max(backlog, 0), Int64(header.laneCapacity)))))
        }
        return lanes
    }
}
