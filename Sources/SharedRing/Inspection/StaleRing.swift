import CSharedRing

/// What became of a file when stale rings were removed.
///
/// A ring is stale if it has been used, no process is attached to it now, and nothing waits in it: neither a message nor the end of a
/// stream, nor the place of a durable subscriber. One that was never used is not stale; neither is a damaged one, which stays to be examined. The judgement is made
/// under a lock that keeps all processes from attaching, so none can lose anything to it.
public struct StaleRing: Sendable {
    /// What was, or in a dry run would be, done with it.
    @nonexhaustive
    public enum Outcome: Sendable {
        /// Removed.
        case removed
        /// It was no ring yet: the process that began to make it has died. Of a layout version that this library knows.
        case removedUnfinished
        /// Left as it is, for this reason.
        case kept(Reason)
    }

    /// Why it was left alone.
    @nonexhaustive
    public enum Reason: Sendable {
        /// No process has come to it yet.
        case neverUsed
        /// It is stale but for what waits in it.
        case undelivered
        /// It is stale but for the places of durable subscribers, which may come back; their names.
        case awaitsSubscribers([String])
        /// It is a ``Board``: its values are there to stay, and its readers, which hold no role, can't be seen.
        case holdsValues
        /// The holders of its roles, for people.
        case inUse(String)
        /// What is damaged, for people.
        case damaged(RingCheck.Damage)
        /// No ring, another user's, a damaged one (see ``DamagedRing``), or gone.
        case refused(RingError)
    }

    /// What leads to it again, if it is still there.
    public let fileName: FileName
    /// The same as text, repaired if it is not UTF-8.
    public var name: String { fileName.repairedText }
    /// What was, or in a dry run would be, done with it.
    public let outcome: Outcome
    /// The messages that waited in it.
    public let messages: Int
    /// The bytes of their payloads, without headers and tickets.
    public let byteCount: Int
    /// The unread ends of streams.
    public let streamEnds: Int

    private init(_ name: FileName, _ outcome: Outcome, _ check: RingCheck? = nil) {
        fileName = name
        self.outcome = outcome
        messages = check?.messages ?? 0
        byteCount = check?.byteCount ?? 0
        streamEnds = check?.streamEnds ?? 0
    }

    /// Removes every stale ring of a directory. Gives one result for each of its files, in the order of their names.
    ///
    /// - Parameters:
    ///   - includingUndelivered: whether to remove those, too, that are stale but for what waits in them, or for durable subscribers' places.
    ///   - dryRun: changes nothing and locks nothing; by the time that it is done in earnest, things may be different.
    ///   - options: the directory and the allowed owners count.
    /// - Throws: `system` if the directory can't be read.
    public static func removeAll(
        includingUndelivered: Bool = false, dryRun: Bool = false, options: RingOptions = RingOptions()
    ) throws(RingError) -> [StaleRing] {
        try Segment.fileNames(in: options.directoryName).compactMap { name -> StaleRing? in
            let ring = remove(named: name, includingUndelivered: includingUndelivered, dryRun: dryRun, options: options)
            if case .kept(.refused(let error)) = ring.outcome, error.code == .notFound { return nil }  // gone since
            return ring
        }
    }

    /// Removes one ring if it is stale. See ``removeAll(includingUndelivered:dryRun:options:)``.
    public static func remove(
        _ name: String, includingUndelivered: Bool = false, dryRun: Bool = false, options: RingOptions = RingOptions()
    ) -> StaleRing {
        remove(named: FileName(name), includingUndelivered: includingUndelivered, dryRun: dryRun, options: options)
    }

    /// As ``remove(_:includingUndelivered:dryRun:options:)``, of a name that need not be text.
    public static func remove(
        named name: FileName, includingUndelivered: Bool = false, dryRun: Bool = false, options: RingOptions = RingOptions()
    ) -> StaleRing {
        do throws(RingError) {
            let name = try SegmentName(name, in: options.directoryName)
            if let unfinished = try removeUnfinished(name, dryRun: dryRun, options: options) { return unfinished }
            // Without a lock first: most are kept, and need not be disturbed.
            let directory = try name.openDirectory()
            guard
                let segment = try Segment.open(
                    name, in: directory, owners: options.allowedOwners, isWritable: false, orUnfinished: true)
            else {
                throw RingError(.notFound, ring: name.ring, "there is none in '\(name.directory)'")
            }
            let first = try judge(segment, name, includingUndelivered)
            if case .kept = first.outcome { return first }
            if dryRun {
                let isLocked = RoleLock.holderOfAny(in: segment.descriptor, from: sr_lock_first()) != .free
                return isLocked ? StaleRing(name.name, .kept(.inUse("a process has it locked"))) : first
            }

            var judged = first
            _ = try Segment.remove(name, owners: options.allowedOwners, orUnfinished: true) { segment throws(RingError) in
                judged = try judge(segment, name, includingUndelivered)
                if case .kept = judged.outcome { return false }
                return true
            }
            return judged
        } catch {
            return StaleRing(name, .kept(error.code == .inUse ? .inUse(error.detail) : .refused(error)))
        }
    }

    /// Of a ring that this library can't use, only what a creator left that died while it made it. Nil: it is none.
    ///
    /// Its creator holds every lock byte from before the header until the file has its own name. So the lock is the proof, as of this version's.
    private static func removeUnfinished(_ name: SegmentName, dryRun: Bool, options: RingOptions) throws(RingError) -> StaleRing? {
        guard name.canBeTemporary else { return nil }
        let directory = try name.openDirectory()
        guard let found = try Segment.otherVersion(name, in: directory, owners: options.allowedOwners), found.isTemporary(name) else {
            return nil
        }
        let outcome: Outcome
        if dryRun {
            outcome = found.isLocked == false ? .removedUnfinished : .kept(.inUse("its creator, or a remover, has it locked"))
        } else {
            guard try Segment.removeOtherVersion(name, owners: options.allowedOwners, ifWanted: { $0.isTemporary(name) }) else {
                return nil
            }
            outcome = .removedUnfinished
        }
        return StaleRing(name.name, outcome)
    }

    private static func judge(_ segment: Segment, _ name: SegmentName, _ includingUndelivered: Bool) throws(RingError) -> StaleRing {
        // Its creator has it locked while it makes it. So a process that gets the lock takes it from a dead one.
        if name.isTemporary(of: segment.header) { return StaleRing(name.name, .removedUnfinished) }
        let check = try RingCheck(segment, .named(name))
        func kept(_ reason: Reason) -> StaleRing { StaleRing(name.name, .kept(reason), check) }
        if check.isInUse { return kept(.inUse("it is in use by \(check.holders)")) }
        if let damage = check.damage.first { return kept(.damaged(damage)) }
        guard check.wasUsed else { return kept(.neverUsed) }
        if segment.header.kind.holdsValues { return kept(.holdsValues) }
        if check.messages + check.streamEnds > 0, !includingUndelivered { return kept(.undelivered) }
        let durable = check.report.subscribers.filter { $0.isDurable }
        if !durable.isEmpty, !includingUndelivered { return kept(.awaitsSubscribers(durable.compactMap { $0.name })) }
        return StaleRing(name.name, .removed, check)
    }
}
