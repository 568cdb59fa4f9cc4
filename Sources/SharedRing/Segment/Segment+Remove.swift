import CSharedRing

// Flushing a segment to its disk, and taking its name away.

extension Segment {
    /// Brings a ring that no process is attached to to the disk, and says so in it. Throws as `remove`.
    static func flush(_ name: SegmentName, owners: RingOptions.Owners) throws(RingError) {
        // In the same hands as a removal, and with nothing removed.
        try remove(name, owners: owners) { segment throws(RingError) in
            guard segment.header.isFileBacked else {
                throw RingError(.invalidOption, ring: name.ring, "it was not made to outlive a restart")
            }
            let isClean = try segment.read(UInt32.self, at: segment.header.segmentWord(\.clean), ring: name.ring) == 1
            let boot = try segment.read(Boot.self, at: segment.header.segmentWord(\.boot_id), ring: name.ring)
            let current = try Boot.current(ring: name.ring)
            guard isClean || boot == current else {
                // Attaching refuses such a ring. A flush must not make it count as whole.
                throw RingError(
                    .notFlushed, ring: name.ring,
                    "the machine was restarted while it was in use, so what it holds may be incomplete; attach to it first, and accept that"
                )
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

    /// Removes a ring that no process is attached to. Throws `inUse` with the holders, `notFound`, `notARing`.
    ///
    /// `isWanted` has the last word, once no process is attached and none can become so. False: it did not want to.
    @discardableResult
    static func remove(
        _ name: SegmentName, owners: RingOptions.Owners, orUnfinished: Bool = false,
        ifWanted isWanted: (Segment) throws(RingError) -> Bool = { _ in true }
    ) throws(RingError) -> Bool {
        let directory = try name.openDirectory()
        // Each further turn means that another remover was at work; the limit is against an untrusted peer.
        for turn in 0..<1000 {
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
                // The lock's description keeps the bytes until the name is gone.
                defer { lock.unlockAll() }
                guard try isWanted(segment) else { return false }
                if try unlink(name, ifStill: segment) { return true }
                continue  // locked, but no longer of that name: another process removed it in the same moment
            }
            let holders = segment.holders(seenBy: lock)
            if !holders.isEmpty { throw RingError(.inUse, ring: name.ring, "it is in use by \(holders)") }
            sr_sleep_ns(turn < 100 ? 10_000 : 1_000_000)  // it was another remover, or a holder that has let go since
        }
        throw RingError(.inUse, ring: name.ring, "others kept its role bytes locked while this process tried 1,000 times to remove it")
    }

    /// "process 12 (send) as producer, process 13 (receive) as consumer"; empty if no process has a role.
    private func holders(seenBy lock: RoleLock) -> String {
        let held = header.shape.roles.filter { (try? lock.holder(of: $0)) == .held }
        return held.map { role in "\(holder(of: role).map { "\($0)" } ?? "an unknown process") as \(role)" }
            .joined(separator: ", ")
    }
}
