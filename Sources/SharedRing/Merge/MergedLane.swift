import CSharedRing

/// One lane as a merging consumer sees it. Made when the lane is first found in use.
@safe
final class MergedLane {
    let number: Int
    private let mapping: Mapping
    let control: UnsafeMutablePointer<sr_lane_control>
    /// The lane's protocol state, at a fixed address.
    let reader: UnsafeMutablePointer<LaneReader>
    var watch: PeerWatch

    init(_ number: Int, attachment: Attachment, isManual: Bool, prefault: Bool) throws(RingError) {
        let control = unsafe attachment.lane(number)
        mapping = try Mapping.lane(
            number, of: attachment.segment, writable: !attachment.segment.isDataReadOnly, prefault: prefault, ring: attachment.ring)
        let reader = try unsafe LaneReader(
            data: UnsafeRawPointer(mapping.base), shape: LaneShape(attachment.header), control: control,
            usesAsymmetricBarrier: attachment.header.usesAsymmetricBarrier, isManual: isManual, ring: attachment.ring, lane: number,
            lock: attachment.lock)
        self.number = number
        unsafe self.control = control
        // SAFETY: the epoch lies in the control mapping, which outlives this lane.
        watch = unsafe PeerWatch.producer(of: control, number: number)
        unsafe self.reader = ReaderStorage.keep(reader)
    }

    deinit { unsafe ReaderStorage.recycle(reader) }

    var isQuiet: Bool { unsafe reader.pointee.poll().isAbsent }

    var isDue: Bool { unsafe reader.pointee.published != reader.pointee.head }

    func wakeProducer() { unsafe reader.pointee.wakeProducerIfAsleep() }
}
