public import CSharedRing

/// A writer's role of one entry: the byte, the mappings, the protocol's state.
@usableFromInline
@safe
final class BoardWriterCore: @unchecked Sendable {
    let attachment: Attachment
    private let data: Mapping
    let facts: EntryFacts
    private let block: UnsafeMutablePointer<sr_entry_control>
    @safe @exclusivity(unchecked) @usableFromInline var writer: EntryWriter
    /// The largest value, in bytes; less than 0 once the writer was ended, so that none fits.
    @safe @exclusivity(unchecked) @usableFromInline var capacity: Int
    @usableFromInline let generation = sr_fork_generation()
    private var isClosed = false

    /// Takes the entry's byte. Throws `entryNotFound`, `roleTaken`, and as opening the board does.
    convenience init(_ key: [UInt8], of handle: BoardHandle, _ endpoint: EndpointOptions) throws(RingError) {
        let segment = try handle.openSegment()
        guard let found = try Self.find(key, in: segment, handle) else { throw handle.noEntry(key) }
        try self.init(found, try handle.attach(.entry(found.number), of: segment, endpoint), prefault: endpoint.prefault)
    }

    /// Takes the byte of an entry that was found. Throws as the other, and `timedOut`.
    convenience init(
        _ facts: EntryFacts, in segment: Segment, of handle: BoardHandle, until deadline: Deadline
    ) throws(RingError) {
        let endpoint = EndpointOptions()
        try self.init(
            facts, try handle.attach(.entry(facts.number), of: segment, endpoint, until: deadline), prefault: endpoint.prefault)
    }

    /// The attachment holds the entry's byte.
    private init(_ found: EntryFacts, _ attachment: Attachment, prefault: Bool) throws(RingError) {
        guard let shape = attachment.header.board else { throw attachment.error(.incompatible, "it is not a board") }
        // SAFETY, for the whole class: all words lie in the control mapping, which the attachment keeps; the holder information, the epoch and the
        // turn are written only by the holder of the byte, which is this side.
        let blocks = unsafe BoardBlocks(UnsafeMutableRawPointer(attachment.control), shape, ring: attachment.ring)
        guard let facts = try blocks.entry(found.number), facts == found else {
            throw attachment.error(.poisoned, "entry '\(found.name)' changed its key or its place, which it keeps for good")
        }
        data = try Mapping.data(of: attachment.segment, writable: true, prefault: prefault, ring: attachment.ring)
        writer = unsafe EntryWriter(
            facts, blocks, values: data.base, isAsymmetric: attachment.header.usesAsymmetricBarrier)
        guard writer.turn < EntryReader.firstImpossibleTurn else {
            throw attachment.error(.poisoned, "entry '\(facts.name)' is in version \(writer.turn), and no writer comes to 2^63")
        }
        unsafe block = blocks.block(facts.number)
        self.facts = facts
        capacity = facts.capacity
        self.attachment = attachment
        unsafe HolderInformation.store(in: sr_entry_holder(block))
        let before = unsafe sr_load_relaxed_u32(sr_entry_epoch(block))  // relaxed: the byte orders this side after its predecessor
        // SYNC: epoch (pairs with BoardReport)
        unsafe sr_store_release_u32(sr_entry_epoch(block), sr_epoch_at_attach(before))
    }

    deinit { close() }

    /// Read from the file: an entry that was made stays as it is.
    static func find(_ key: [UInt8], in segment: Segment, _ handle: BoardHandle) throws(RingError) -> EntryFacts? {
        guard let shape = segment.header.board else { return nil }
        var end = 0
        for number in 0..<shape.entryCount {
            let block = try segment.entryBlock(number, ring: handle.ring)
            guard let facts = try EntryFacts(checking: block, number, of: shape, behind: end, ring: handle.ring) else { return nil }
            if facts.key == key { return facts }
            end = facts.end(in: shape)
        }
        return nil
    }

    var version: UInt64 { writer.turn }

    /// Ends the role. A dropped writer ends as well: the entry keeps its last whole value either way.
    func close() {
        guard !isClosed, !attachment.isInherited else { return }
        isClosed = true
        // SYNC: epoch (pairs with BoardReport). The load is relaxed: only this side writes it.
        unsafe sr_store_release_u32(sr_entry_epoch(block), sr_epoch_at_close(sr_load_relaxed_u32(sr_entry_epoch(block))))
        attachment.unlock()
        // A process that waits to set the entry sleeps there for some milliseconds at most.
        if unsafe EventCount.isAnyoneAsleep(sr_entry_event_word(block)) { unsafe EventCount.wake(sr_entry_event_word(block)) }
    }

    /// See `BoardWriter.end`.
    func end() throws(RingError) {
        try attachment.requireOwnProcess()
        close()
        capacity = -1
    }

    /// Begins a value of that many bytes. Where it goes; nothing is to be seen of it before `commit`.
    @inlinable
    @inline(__always)
    func begin(_ byteCount: Int) throws(RingError) -> UnsafeMutableRawPointer {
        guard admits(byteCount) else { throw refusal(of: byteCount) }
        return unsafe writer.begin()
    }

    /// Whether a value of so many bytes may be begun, by this process.
    @inlinable
    @inline(__always)
    func admits(_ byteCount: Int) -> Bool { byteCount >= 0 && byteCount <= capacity && generation == sr_fork_generation() }

    /// Why `admits` refuses a value.
    @usableFromInline
    @inline(never)
    func refusal(of byteCount: Int) -> RingError {
        do throws(RingError) { try attachment.requireOwnProcess() } catch { return error }
        if isClosed { return attachment.error(.ended, "this writer was ended") }
        return attachment.error(
            .messageTooLarge,
            "a value of \(counted(byteCount, "byte")) does not fit entry '\(facts.name)', whose capacity is \(facts.capacity)")
    }

    /// The value that was begun exists from now on.
    @inlinable
    @inline(__always)
    func commit(_ byteCount: Int, _ tag: UInt32) -> UInt64 {
        writer.commit(byteCount: byteCount, tag: tag)
        return writer.turn
    }

    /// Sets the value: no call while no reader sleeps.
    @inlinable
    @inline(__always)
    func set(_ bytes: RawSpan, _ tag: UInt32) throws(RingError) -> UInt64 {
        let count = bytes.byteCount
        let target = try unsafe begin(count)
        // SAFETY: the slot has room for the entry's capacity, and is no part of what the caller lends.
        unsafe bytes.withUnsafeBytes { if let source = $0.baseAddress { unsafe sr_copy(target, source, Int64(count)) } }
        return commit(count, tag)
    }
}

extension BoardHandle {
    func noEntry(_ key: [UInt8]) -> RingError {
        RingError(.entryNotFound, ring: ring, "it has no entry '\(String(escaping: key))'")
    }
}
