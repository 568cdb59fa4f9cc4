import CSharedRing

// Making a segment: whole before it has its name.

extension Segment {
    /// Makes a segment that has no name yet: everything in place, no process can see it. Throws `outOfSpace`, `system`.
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

    static func write<T: BitwiseCopyable>(_ value: T, at offset: Int, in file: Descriptor, ring: String) throws(RingError) {
        // SAFETY: the value's own bytes, for the length of the call.
        let result = unsafe withUnsafeBytes(of: value) { bytes in
            file.withNumber { unsafe sr_write_at($0, bytes.baseAddress!, UInt64(bytes.count), UInt64(offset)) }
        }
        guard result >= 0 else { throw RingError(.system, ring: ring, errno: Int32(-result), "its header can't be written") }
    }

    /// Makes a segment and gives it its name in one step. False: the name is taken. Its creator then attaches like any other process.
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
            lock?.unlockAll()
        }
        let file = Descriptor(opened)
        // Says to a process that clears leftovers away that this is none. Before the header, by which it would be recognised; and that is
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
}
