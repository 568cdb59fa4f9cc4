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

    init(descriptor: Descriptor, facts: sr_file_facts, header: SegmentHeader) {
        self.descriptor = descriptor
        self.facts = facts
        self.header = header
    }

    // MARK: Creating

    /// Makes a segment that has no name yet: everything in place, nobody can see it. Throws `outOfSpace`, `system`.
    private static func fill(_ file: Descriptor, with header: SegmentHeader, options: RingOptions, ring: String) throws(RingError) {
        // All of it now: a sparse file passes every check and then dies of SIGBUS on a full tmpfs.
        let allocated = file.withNumber { sr_allocate($0, UInt64(header.totalSize)) }
        guard allocated == 0 else {
            if allocated == -SystemFailure.noSpace {
                let what = options.usesHugePages ? "not enough huge pages (see /proc/sys/vm/nr_hugepages)" : "no room"
                throw RingError(
                    .outOfSpace, ring: ring, errno: SystemFailure.noSpace, "\(what) for its \(header.totalSize) bytes; nothing was created")
            }
            if allocated == -SystemFailure.tooLarge {
                throw RingError(
                    .system, ring: ring, errno: SystemFailure.tooLarge,
                    "its \(header.totalSize) bytes are more than this process may give a file (RLIMIT_FSIZE); nothing was created")
            }
            throw RingError(.system, ring: ring, errno: -allocated, "its \(header.totalSize) bytes can't be allocated")
        }
        func write<T: BitwiseCopyable>(_ value: T, at offset: Int) throws(RingError) {
            try Self.write(value, at: offset, in: file, ring: ring)
        }
        try write(header.stored, at: 0)
        if header.isFileBacked {
            try write(try Boot.current(ring: ring), at: header.segmentWord(\.boot_id))
        }
        if options.isPersistent {
            try write(UInt32(1), at: header.segmentWord(\.persistent))
        }
        for (offset, word) in header.shape.initialWords(options) { try write(word, at: header.controlOffset + offset) }
        let permitted = file.withNumber { sr_set_permissions($0, options.permissions) }
        guard permitted == 0 else { throw RingError(.system, ring: ring, errno: -permitted, "its permissions can't be set") }
    }

    private static func write<T: BitwiseCopyable>(_ value: T, at offset: Int, in file: Descriptor, ring: String) throws(RingError) {
        // SAFETY: the value's own bytes, for the length of the call.
        let result = unsafe withUnsafeBytes(of: value) { bytes in
            file.withNumber { unsafe sr_write_at($0, bytes.baseAddress!, UInt64(bytes.count), UInt64(offset)) }
        }
        guard result >= 0 else { throw RingError(.system, ring: ring, errno: Int32(-result), "its header can't be written") }
    }

    /// Makes a segment and gives it its name in one step. False: the name is taken. Its creator then attaches like anybody else.
    static func create(_ name: SegmentName, header: SegmentHeader, options: RingOptions) throws(RingError) -> Bool {
        guard !options.usesHugePages else {
            throw RingError(.invalidOption, ring: name.ring, "only an anonymous ring can lie in huge pages")
        }
        let directory = try name.openDirectory()
        if try name.facts(in: directory) != nil { return false }

        let temporary = directory.withNumber { sr_open_temporary($0) }
        if temporary >= 0 {
            let file = Descriptor(temporary)
            try fill(file, with: header, options: options, ring: name.ring)
            // SAFETY: the string lives for the length of the call.
            let linked = unsafe name.name.withCString { name in
                file.withNumber { file in directory.withNumber { unsafe sr_link_descriptor(file, $0, name) } }
            }
            if linked == 0 { return true }
            if linked == -SystemFailure.exists { return false }
            // Neither form of linkat works here (no /proc, no capability): make it again under a temporary name.
        }
        return try createThroughTemporaryName(name, in: directory, header: header, options: options)
    }

    /// For file systems without `O_TMPFILE`. A creator that dies in here leaves its file behind; see `SegmentName.isTemporary`.
    static func createThroughTemporaryName(
        _ name: SegmentName, in directory: Descriptor, header: SegmentHeader, options: RingOptions
    ) throws(RingError) -> Bool {
        let temporaryName = name.temporary(for: header.instance)
        // SAFETY: here and below, the strings live for the length of their calls.
        let opened = unsafe temporaryName.withCString { name in directory.withNumber { unsafe sr_open_exclusive($0, name) } }
        guard opened >= 0 else {
            throw RingError(.system, ring: name.ring, errno: -opened, "nothing can be created in '\(name.directory)'")
        }
        var lock: RoleLock?
        // In this order: unlocked first, it would look like a dead creator's.
        defer {
            _ = unsafe temporaryName.withCString { name in directory.withNumber { unsafe sr_unlink_at($0, name) } }
            lock?.giveBack()
        }
        let file = Descriptor(opened)
        // Says to who clears leftovers away that this is none. Before the header, by which it would be recognised; and that is
        // written before the long part, the allocation.
        lock = try lockEverything(of: temporaryName, in: directory, ring: name.ring)
        try write(header.stored, at: 0, in: file, ring: name.ring)
        try fill(file, with: header, options: options, ring: name.ring)
        let linked = unsafe temporaryName.withCString { from in
            unsafe name.name.withCString { to in directory.withNumber { unsafe sr_rename_exclusive($0, from, to) } }
        }
        if linked == -SystemFailure.exists { return false }
        guard linked == 0 else { throw RingError(.system, ring: name.ring, errno: -linked, "it can't be given its name") }
        return true
    }

    private static func lockEverything(of file: FileName, in directory: Descriptor, ring: String) throws(RingError) -> RoleLock {
        do throws(SystemFailure) {
            let lock = try RoleLock(file, in: directory)
            _ = try lock.takeEverything()
            return lock
        } catch {
            throw RingError(.system, ring: ring, errno: error.errno, "its role bytes can't be locked")
        }
    }

    /// Makes a segment without a name: a memfd that can neither shrink nor grow.
    static func createAnonymous(header: SegmentHeader, options: RingOptions) throws(RingError) -> Descriptor {
        let ring = options.label.isEmpty ? "anonymous" : options.label
        guard !options.isDurable else {
            throw RingError(.invalidOption, ring: ring, "an anonymous ring ends with its users, and can't outlive a restart")
        }
        // SAFETY: the string lives for the length of the call.
        let opened = unsafe ring.withCString { unsafe options.usesHugePages ? sr_memfd_huge($0) : sr_memfd($0) }
        guard opened >= 0 else { throw RingError(.system, ring: ring, errno: -opened, "no anonymous memory") }
        let file = Descriptor(opened)
        try fill(file, with: header, options: options, ring: ring)
        let sealed = file.withNumber { sr_seal($0) }
        guard sealed == 0 else { throw RingError(.system, ring: ring, errno: -sealed, "it can't be sealed") }
        return file
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
    static func open(_ descriptor: Descriptor, ring: String, owners: RingOptions.Owners) throws(RingError) -> Segment {
        guard !descriptor.isInherited else {
            throw RingError(.forked, ring: ring, "this handle belongs to the parent of this forked process")
        }
        let reopened = descriptor.withNumber { sr_reopen($0) }
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
                "it has holes: \(facts.allocated) of its \(facts.size) bytes are allocated, and touching the others could end this process")
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
                    "it begins as a ring, and its file has \(facts.size) bytes where a ring's header alone has \(size)")
            }
            throw RingError(.notARing, ring: ring, "not a ring: its file has \(facts.size) bytes, a ring's header alone has \(size)")
        }
        return stored
    }

    // MARK: Reading beside the protocol

    /// Who holds a role, or held it last, read from the file.
    func holder(of role: Role) -> HolderInformation? {
        guard let holder = try? read(sr_holder.self, at: header.controlOffset + header.shape.holderOffset(of: role), ring: ""),
            holder.pid != 0
        else { return nil }
        return HolderInformation(holder)
    }

    /// A copy of a part of the file.
    func read<Part: BitwiseCopyable>(_ type: Part.Type, at offset: Int, ring: String) throws(RingError) -> Part {
        let size = MemoryLayout<Part>.size
        // SAFETY: the buffer is as large as the part, which is made of plain integers, for which all bytes are good.
        let buffer = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: MemoryLayout<Part>.alignment)
        defer { unsafe buffer.deallocate() }
        let count = descriptor.withNumber { unsafe sr_read_at($0, buffer, UInt64(size), UInt64(offset)) }
        guard count >= 0 else { throw RingError(.system, ring: ring, errno: Int32(-count), "it can't be read at \(offset)") }
        guard count == size else { throw RingError(.damaged, ring: ring, "it ends before \(offset + size), where it should go on") }
        return unsafe buffer.load(as: Part.self)
    }

    /// A copy of so many words of the file.
    func readWords(_ count: Int, at offset: Int, ring: String) throws(RingError) -> [UInt64] {
        var result: Int64 = 0
        let size = count * MemoryLayout<UInt64>.size
        // SAFETY: the array is given room for `count` words, and as many as were read are declared initialised.
        let words = unsafe [UInt64](unsafeUninitializedCapacity: count) { buffer, initialised in
            if let start = buffer.baseAddress {
                result = descriptor.withNumber { unsafe sr_read_at($0, start, UInt64(size), UInt64(offset)) }
            }
            initialised = result == size ? count : 0
        }
        guard result >= 0 else { throw RingError(.system, ring: ring, errno: Int32(-result), "it can't be read at \(offset)") }
        guard result == size else { throw RingError(.damaged, ring: ring, "it ends before \(offset + size), where it should go on") }
        return words
    }

    /// The names of the files in a directory, in the order of their bytes.
    static func fileNames(in directory: FileName) throws(RingError) -> [FileName] {
        guard !directory.bytes.contains(0) else {
            throw RingError(.invalidName, directory: directory, "its path must not contain a NUL byte")
        }
        func check<Value: SignedInteger>(_ result: Value) throws(RingError) -> Value {
            if result >= 0 { return result }
            throw RingError(.system, directory: directory, errno: Int32(-result), "it can't be read")
        }
        // Not opendir(3): its descriptor would be a forked child's too, and may be below 3.
        // SAFETY: the string lives for the length of the call.
        let listing = Descriptor(try check(unsafe directory.withCString { unsafe sr_open_listing($0) }))
        var names: [FileName] = []
        var buffer = [UInt8](repeating: 0, count: 32768)
        while true {
            // SAFETY: the array's own bytes, for the length of the call.
            let size = try check(
                unsafe buffer.withUnsafeMutableBytes { bytes in
                    listing.withNumber { unsafe sr_read_listing($0, bytes.baseAddress!, UInt64(bytes.count)) }
                })
            if size == 0 { break }
            var entry = buffer[..<Int(size)]
            while entry.count > 19 {
                let length = Int(entry[entry.startIndex + 16]) | Int(entry[entry.startIndex + 17]) << 8
                guard length > 19 else { break }
                let name = FileName(bytes: entry.prefix(length).dropFirst(19).prefix { $0 != 0 })
                if name != FileName("."), name != FileName("..") { names.append(name) }
                entry = entry.dropFirst(length)
            }
        }
        return names.sorted()
    }

    // MARK: Flushing

    /// Brings a ring that nobody is attached to to the disk, and says so in it. Throws as `remove`.
    static func flush(_ name: SegmentName, owners: RingOptions.Owners) throws(RingError) {
        // In the same hands as a removal, and with nothing removed.
        try remove(name, owners: owners) { segment throws(RingError) in
            guard segment.header.isFileBacked else {
                throw RingError(.invalidOption, ring: name.ring, "it was not made to outlive a restart")
            }
            // The mark last: it vouches for all that came before.
            try segment.sync(ring: name.ring)
            try write(UInt32(1), at: segment.header.segmentWord(\.clean), in: segment.descriptor, ring: name.ring)
            try segment.sync(ring: name.ring)
            return false
        }
    }

    /// What was written is on the disk when this returns.
    func sync(ring: String) throws(RingError) {
        let result = descriptor.withNumber { sr_sync($0) }
        guard result == 0 else { throw RingError(.system, ring: ring, errno: -result, "it can't be brought to the disk") }
    }

    // MARK: Removing

    /// Takes the name away if it still stands for `segment`. False: it stands for something else by now. The caller holds
    /// every role byte.
    static func unlink(_ name: SegmentName, ifStill segment: Segment) throws(RingError) -> Bool {
        try unlink(name, ifStill: segment.facts)
    }

    static func unlink(_ name: SegmentName, ifStill file: sr_file_facts) throws(RingError) -> Bool {
        let directory = try name.openDirectory()
        guard let now = try name.facts(in: directory), now.isSameFile(as: file) else { return false }
        // SAFETY: the string lives for the length of the call.
        let result = unsafe name.name.withCString { name in directory.withNumber { unsafe sr_unlink_at($0, name) } }
        guard result == 0 else { throw RingError(.system, ring: name.ring, errno: -result, "it can't be removed") }
        return true
    }

    /// Removes a ring that nobody is attached to. Throws `inUse` with the holders, `notFound`, `notARing`.
    ///
    /// `isWanted` has the last word, once nobody is attached and nobody can become so. False: it did not want to.
    @discardableResult
    static func remove(
        _ name: SegmentName, owners: RingOptions.Owners, orUnfinished: Bool = false,
        ifWanted isWanted: (Segment) throws(RingError) -> Bool = { _ in true }
    ) throws(RingError) -> Bool {
        let directory = try name.openDirectory()
        // Each further turn means that another remover was at work; the bound is against a stranger who plays with us.
        for _ in 0..<1000 {
            guard let segment = try open(name, in: directory, owners: owners, orUnfinished: orUnfinished) else {
                throw RingError(.notFound, ring: name.ring, "there is none in '\(name.directory)'")
            }
            let lock: RoleLock
            let isAlone: Bool
            do throws(SystemFailure) {
                lock = try RoleLock(name.name, in: directory)
                guard try lock.isOf(segment) else { continue }  // removed and made anew between the two opens
                isAlone = try lock.takeEverything()
            } catch {
                if error.errno == SystemFailure.notFound { continue }  // removed between the two opens
                throw RingError(.system, ring: name.ring, errno: error.errno, "its role bytes can't be locked")
            }
            if isAlone {
                guard try isWanted(segment) else { return false }
                if try unlink(name, ifStill: segment) { return true }
                continue  // locked, but no longer of that name: somebody else removed it in the same moment
            }
            let holders = segment.holders(seenBy: lock)
            if !holders.isEmpty { throw RingError(.inUse, ring: name.ring, "it is in use by \(holders)") }
            sr_sleep_ns(10_000)  // it was another remover, or somebody who has let go since
        }
        throw RingError(.inUse, ring: name.ring, "others kept its role bytes locked while this process tried 1,000 times to remove it")
    }

    /// "process 12 (send) as producer, process 13 (receive) as consumer"; empty if nobody has a role.
    private func holders(seenBy lock: RoleLock) -> String {
        let held = header.shape.roles.filter { (try? lock.holder(of: $0)) == .somebody }
        return held.map { role in "\(holder(of: role).map { "\($0)" } ?? "a process that did not sign") as \(role)" }
            .joined(separator: ", ")
    }
}
