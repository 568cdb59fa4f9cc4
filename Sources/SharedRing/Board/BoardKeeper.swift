import CSharedRing

/// Adds entries to a board. It holds the board's byte.
@safe
struct BoardKeeper {
    private let attachment: Attachment
    private let blocks: BoardBlocks

    /// The attachment holds the board's byte.
    init(_ attachment: Attachment) throws(RingError) {
        guard let shape = attachment.header.board else { throw attachment.error(.incompatible, "it is not a board") }
        self.attachment = attachment
        // SAFETY, for all of these: all blocks lie in the control mapping, which the attachment keeps. Only the holder of the board's byte writes those
        // of free entries, and that is this side.
        blocks = unsafe BoardBlocks(UnsafeMutableRawPointer(attachment.control), shape, ring: attachment.ring)
        unsafe HolderInformation.store(in: sr_board_holder(blocks.control))
    }

    /// Makes an entry, or finds it. Throws `differentShape` if it is there with a smaller capacity, `boardFull`, `poisoned`.
    ///
    /// Entries are made in order, and each one's values stand behind those of the one before. So a keeper that is killed leaves nothing but the fields
    /// of a free entry, and the next keeper writes them anew.
    func add(_ plan: BoardEntryPlan) throws(RingError) {
        let shape = blocks.shape
        let entries = try blocks.all()
        let name = String(escaping: plan.key)
        if let found = entries.first(where: { $0.key == plan.key }) {
            guard found.capacity >= plan.capacity else {
                throw attachment.error(
                    .differentShape,
                    "entry '\(name)' is there already, and its capacity is \(counted(found.capacity, "byte")), not \(plan.capacity)")
            }
            return
        }
        let number = entries.count
        guard number < shape.entryCount else {
            throw attachment.error(
                .boardFull,
                "\(shape.entryCount == 1 ? "its one entry is" : "all its \(shape.entryCount) entries are") in use, so '\(name)' can't be added"
            )
        }
        // Checked: it lies inside the data.
        let start = entries.last?.end(in: shape) ?? 0
        guard shape.entrySize(plan.capacity) <= shape.dataSize - start else {
            throw attachment.error(
                .boardFull,
                "entry '\(name)' needs \(shape.entrySize(plan.capacity)) bytes, four times its capacity and a little more, and \(shape.dataSize - start) are free"
            )
        }
        let block = unsafe blocks.block(number)
        unsafe block.pointee.key_length = UInt32(plan.key.count)
        unsafe block.pointee.capacity = UInt64(plan.capacity)
        unsafe block.pointee.data_offset = UInt64(start)
        unsafe withUnsafeMutableBytes(of: &block.pointee.key) { bytes in
            unsafe bytes.initializeMemory(as: UInt8.self, repeating: 0)
            unsafe bytes.copyBytes(from: plan.key)
        }
        // SYNC: entry-made (pairs with BoardBlocks.entry): the fields before, the state after.
        unsafe sr_store_release_u32(sr_entry_state(block), 1)
    }

    func close() { attachment.unlock() }
}
