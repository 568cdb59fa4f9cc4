import CSharedRing

/// A segment's open and checked file.
///
/// The descriptor is for reading the header and for mapping; it never holds a lock.
struct Segment: Sendable {
    let descriptor: Descriptor
    let facts: sr_file_facts
    let header: SegmentHeader
    /// Whether maps of its data are to be part of a core dump.
    var isDataDumped = false
    /// Whether a consumer is to map its data read-only.
    var isDataReadOnly = false

    init(descriptor: Descriptor, facts: sr_file_facts, header: SegmentHeader) {
        self.descriptor = descriptor
        self.facts = facts
        self.header = header
    }

    // MARK: Opening

    /// Opens and checks what the name stands for. Nil: nothing is there.
    ///
    /// `orUnfinished`: also takes what a creator has got no further with than its header, to be removed and not to be used.
    static func open(
        _ name: SegmentName, in directory: Descriptor, owners: RingOptions.Owners, isWritable: Bool = true, orUnfinished: Bool = false
    ) throws(RingError) -> Segment? {
        guard let file = try openFile(name, in: directory, isWritable: isWritable) else { return nil }
        do throws(RingError) {
            return try check(file, owners: owners, ring: name.ring, isAnonymous: false)
        } catch {
            // Opened while it had its name, and removed before it was examined: nothing is there.
            if error.code == .notFound { return nil }
            if orUnfinished, error.code == .damaged,
                let unfinished = try? check(file, owners: owners, ring: name.ring, isAnonymous: false, isUnfinished: true),
                name.isTemporary(of: unfinished.header)
            {
                return unfinished
            }
            throw error
        }
    }

    /// Opens what the name stands for, unexamined. Nil: nothing is there.
    static func openFile(_ name: SegmentName, in directory: Descriptor, isWritable: Bool) throws(RingError) -> Descriptor? {
        // SAFETY: the string lives for the length of the call.
        let opened = unsafe name.name.withCString { name in directory.withNumber { unsafe sr_open_at($0, name, isWritable ? 1 : 0) } }
        if opened >= 0 { return Descriptor(opened) }

        // Say what is in the way rather than only which error number it gave.
        guard let facts = try name.facts(in: directory) else { return nil }
        guard facts.type == 0o100000 else { throw notRegular(facts, ring: name.ring) }
        if opened == -SystemFailure.permissionDenied {
            throw RingError(
                .wrongOwner, ring: name.ring, errno: SystemFailure.permissionDenied,
                "it belongs to \(User(facts.owner)) and its mode is \(String(facts.permissions, radix: 8))")
        }
        if opened == -SystemFailure.notFound { return nil }
        throw RingError(.system, ring: name.ring, errno: -opened, "it can't be opened")
    }

    /// Opens the file of a descriptor that was inherited or received. The descriptor stays the caller's.
    ///
    /// - Parameter toRead: where this process may not write the file, it is opened for reading only.
    static func open(
        _ descriptor: Descriptor, ring: String, owners: RingOptions.Owners, orToRead toRead: Bool = false
    ) throws(RingError) -> Segment {
        guard !descriptor.isInherited else {
            throw RingError(.forked, ring: ring, "this handle belongs to the parent of this forked process")
        }
        var reopened = descriptor.withNumber { sr_reopen($0) }
        if toRead, SystemFailure.saysReadOnly(-reopened) { reopened = descriptor.withNumber { sr_reopen_to_read($0) } }
        guard reopened >= 0 else {
            let why = reopened == -SystemFailure.notFound ? "opening it again needs /proc, which is not there" : "it can't be opened again"
            throw RingError(.system, ring: ring, errno: -reopened, why)
        }
        return try check(Descriptor(reopened), owners: owners, ring: ring, isAnonymous: true)
    }

    private static func notRegular(_ facts: sr_file_facts, ring: String) -> RingError {
        RingError(.notARing, ring: ring, "not a ring but \(facts.kindOfFile)")
    }

    /// `isUnfinished`: whatever size the file has as yet.
    private static func check(
        _ file: Descriptor, owners: RingOptions.Owners, ring: String, isAnonymous: Bool, isUnfinished: Bool = false
    ) throws(RingError) -> Segment {
        let facts = try examine(file, owners: owners, ring: ring, isAnonymous: isAnonymous)
        let stored = try storedHeader(file, facts, ring: ring)
        let header = try SegmentHeader(checking: stored, fileSize: isUnfinished ? stored.total_size : facts.size, ring: ring)
        if facts.on_tmpfs == 1, facts.allocated < facts.size, !isUnfinished {
            throw RingError(
                .damaged, ring: ring,
                "it has holes: \(facts.allocated) of its \(counted(facts.size, "byte")) are allocated, and touching the others could end this process"
            )
        }
        return Segment(descriptor: file, facts: facts, header: header)
    }

    /// Whether the file may be a segment of this user's: regular, an allowed owner's, of one name, or sealed.
    static func examine(
        _ file: Descriptor, owners: RingOptions.Owners, ring: String, isAnonymous: Bool
    ) throws(RingError) -> sr_file_facts {
        var facts = sr_file_facts()
        // SAFETY: `facts` lives for the length of the call.
        let examined = file.withNumber { unsafe sr_facts($0, &facts) }
        guard examined == 0 else { throw RingError(.system, ring: ring, errno: -examined, "it can't be examined") }

        guard facts.type == 0o100000 else { throw notRegular(facts, ring: ring) }
        // One's own always: else `openOrCreate` could not attach to what it has made.
        let user = User(facts.owner)
        guard owners.admits(user) || user.isOneself else {
            throw RingError(.wrongOwner, ring: ring, "it belongs to \(user), this process runs as \(sr_effective_user())")
        }
        if isAnonymous {
            guard file.withNumber({ sr_is_sealed($0) }) == 1 else {
                throw RingError(.notSealed, ring: ring, "its memory can be truncated: the seals against shrinking and growing are missing")
            }
        } else {
            guard facts.links == 1 else {
                throw RingError(
                    facts.links == 0 ? .notFound : .notARing, ring: ring, "its file has \(facts.links) names instead of one")
            }
        }

        return facts
    }

    /// A copy of the first page's header, unchecked. Throws `notARing`, or `damaged` if the file begins as a segment and is too short.
    static func storedHeader(_ file: Descriptor, _ facts: sr_file_facts, ring: String) throws(RingError) -> sr_header {
        var stored = sr_header()
        let size = MemoryLayout<sr_header>.size
        // SAFETY: `stored` lives for the length of the call.
        let count = unsafe withUnsafeMutableBytes(of: &stored) { bytes in
            file.withNumber { unsafe sr_read_at($0, bytes.baseAddress!, UInt64(size), 0) }
        }
        guard count >= 0 else { throw RingError(.system, ring: ring, errno: Int32(-count), "its header can't be read") }
        guard count == size else {
            if count >= MemoryLayout<UInt64>.size, stored.magic == UInt64(SR_MAGIC) {
                throw RingError(
                    .damaged, ring: ring,
                    "it begins as a ring, and its file has \(counted(facts.size, "byte")) where a ring's header alone has \(size)")
            }
            throw RingError(
                .notARing, ring: ring, "not a ring: its file has \(counted(facts.size, "byte")), a ring's header alone has \(size)")
        }
        return stored
    }
}
