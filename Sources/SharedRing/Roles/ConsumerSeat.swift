import CSharedRing

/// The words of a consumer's role, and what it sleeps on.
///
/// The holder information, the epoch and the counter are written by the holder of the role's byte only.
@safe
struct ConsumerSeat {
    let holder: UnsafeMutablePointer<sr_holder>
    let epoch: UnsafeMutablePointer<UInt32>
    let sleepWord: SleepWord
    let sleeps: UnsafeMutablePointer<UInt64>
    /// What keeps the words where they are; nil: the attachment's mapping does.
    var owner: AnyObject?

    /// The one consumer of a ring's lanes. The words lie in the control mapping, which the attachment keeps.
    static func consumer(of attachment: Attachment) -> ConsumerSeat {
        let consumer = unsafe attachment.consumer
        return unsafe ConsumerSeat(
            holder: sr_consumer_holder(consumer), epoch: sr_consumer_epoch(consumer), sleepWord: .doorbell(sr_consumer_doorbell(consumer)),
            sleeps: sr_consumer_sleeps(consumer))
    }
}
