import CSharedRing

/// Where the readers' state lies: memory that stays a reader's for as long as the process lives.
///
/// Swift 6.3 ends the borrow of a consumer with the last use of a message, but destroys a message that was bound by `guard let`
/// only at the end of its scope: behind a `close()`, for example. The message then looks here whether it is still the one that is
/// out (`LaneReader.handedOut`), and must find memory that says no. So a reader's memory is used again, and never freed.
final class ReaderStorage: Sendable {
    private static let ofThisProcess = PerProcess<ReaderStorage>(generation: \.generation, make: { ReaderStorage() })

    private let generation = UInt32(sr_fork_generation())
    private let spare = Guarded([UInt]())

    /// Gives a new reader its place. In a forked child it will hand out nothing.
    static func keep(_ reader: consuming LaneReader) -> UnsafeMutablePointer<LaneReader> {
        // SAFETY: what is in the list was allocated here, for one reader, and is no reader's now.
        let place =
            if let address = ofThisProcess.current.spare.withLock({ $0.popLast() }) {
                unsafe UnsafeMutablePointer<LaneReader>(bitPattern: address)!
            } else {
                unsafe UnsafeMutablePointer<LaneReader>.allocateIsolated()
            }
        unsafe place.initialize(to: reader)
        unsafe sr_fork_gate_add(&place.pointee.gate, &place.pointee.handedOut)
        return unsafe place
    }

    /// The reader's endpoint is gone.
    static func recycle(_ reader: UnsafeMutablePointer<LaneReader>) {
        unsafe sr_fork_gate_remove(&reader.pointee.gate)
        unsafe reader.pointee.handedOut = 0
        unsafe reader.deinitialize(count: 1)
        let address = UInt(bitPattern: reader)
        ofThisProcess.current.spare.withLock { $0.append(address) }
    }
}
