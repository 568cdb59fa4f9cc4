import CSharedRing

/// A file that was a ring and that no process can attach to any more: its header contradicts itself or its file, or a part of its memory is
/// missing.
///
/// Such a file is a regular file of an allowed owner with one name, it begins with a ring's magic number, and opening it throws `damaged`.
/// A file whose first eight bytes are gone can't be distinguished from another program's, and a ring of another layout version is not damaged:
/// neither is listed or removed here. ``OtherVersionRing`` is about the latter. A ring with a sound header and damaged records is not
/// meant either: ``RingCheck`` finds those, and ``SPSCRing/remove(_:options:)`` removes it like any other.
public struct DamagedRing: Sendable {
    /// What leads to it again, byte for byte.
    public let fileName: FileName
    /// What is damaged: the error that opening it throws.
    public let error: RingError
    /// The file's size, in bytes.
    public let byteCount: UInt64

    /// The damaged rings of a directory, in the order of their names. What is being made at the moment is none of them. A few system calls
    /// for each of the directory's files.
    ///
    /// - Parameter options: the directory and the allowed owners count.
    /// - Throws: `system` if the directory can't be read.
    public static func all(options: RingOptions = RingOptions()) throws(RingError) -> [DamagedRing] {
        try Segment.fileNames(in: options.directoryName).compactMap { file -> DamagedRing? in
            guard let name = try? SegmentName(file, in: options.directoryName), let directory = try? name.openDirectory(),
                case .damaged(let facts, let error)? = try? Segment.condition(of: name, in: directory, owners: options.allowedOwners)
            else { return nil }
            return DamagedRing(fileName: file, error: error, byteCount: facts.size)
        }
    }

    /// Removes a damaged ring that no process uses. What is in it is lost.
    ///
    /// No living process can lose anything by it. All role bytes are locked first, which stand apart from what is in the file: so no process is
    /// attached, and none becomes so meanwhile. Then the file is examined once more, and its name taken away only if it is still damaged
    /// and still has that name. A few system calls; it waits for a few milliseconds at most.
    ///
    /// - Parameters:
    ///   - name: the ring's name.
    ///   - dryRun: changes nothing and locks nothing, and throws what the removal would throw. By the time of the removal, things may be different.
    ///   - options: the directory and the allowed owners count.
    /// - Throws: `notDamaged` if it is a sound ring, or is being made; `inUse` if a process has a role of it; `notFound`, `notARing`,
    ///   `incompatible`, `wrongOwner`, `invalidName`, `system`.
    public static func remove(_ name: String, dryRun: Bool = false, options: RingOptions = RingOptions()) throws(RingError) {
        try remove(named: FileName(name), dryRun: dryRun, options: options)
    }

    /// As ``remove(_:dryRun:options:)``, of a name that need not be text.
    public static func remove(named name: FileName, dryRun: Bool = false, options: RingOptions = RingOptions()) throws(RingError) {
        let name = try SegmentName(name, in: options.directoryName)
        let directory = try name.openDirectory()
        func requireDamaged() throws(RingError) -> sr_file_facts {
            switch try Segment.condition(of: name, in: directory, owners: options.allowedOwners) {
            case nil: throw RingError(.notFound, ring: name.ring, "there is none in '\(name.directory)'")
            case .sound: throw RingError(.notDamaged, ring: name.ring, "it is not damaged, and was left as it is")
            case .unfinished: throw RingError(.notDamaged, ring: name.ring, "it is being made, or was left by a process that died over it")
            case .damaged(let facts, _): return facts
            }
        }

        for turn in 0..<100 {
            if turn > 0 { sr_sleep_ns(1_000_000) }
            let facts = try requireDamaged()
            guard let lock = try lockEverything(of: name, in: directory, if: facts, orOnlyAsk: dryRun) else { continue }
            if dryRun { return }
            // The lock's description keeps the bytes until the name is gone.
            defer { lock.unlockAll() }
            guard try requireDamaged().isSameFile(as: facts) else { continue }
            if try Segment.unlink(name, ifStill: facts) { return }
        }
        throw RingError(.inUse, ring: name.ring, "a process holds a role of it or keeps replacing it; the ring was left as it is")
    }

    /// Nil: a process holds a byte, for good or for the moment of a look at it; or the name stands for another file.
    ///
    /// - Parameter isDryRun: whether it only asks if a process holds a byte.
    private static func lockEverything(
        of name: SegmentName, in directory: Descriptor, if file: sr_file_facts, orOnlyAsk isDryRun: Bool
    ) throws(RingError) -> RoleLock? {
        do throws(SystemFailure) {
            let lock = try RoleLock(name.name, in: directory)
            guard try lock.isOf(file) else { return nil }
            return try isDryRun ? (lock.isAnythingHeld() ? nil : lock) : (lock.takeEverything() ? lock : nil)
        } catch {
            if error.errno == SystemFailure.notFound { return nil }
            throw RingError(.system, ring: name.ring, errno: error.errno, "its role bytes can't be locked")
        }
    }
}

extension Segment {
    /// What can be said of a file that may be a ring.
    enum Condition {
        case sound
        /// A creator has got no further, or is at it.
        case unfinished
        case damaged(sr_file_facts, RingError)
    }

    /// Nil: nothing is there. Throws what opening it throws, but for `damaged`.
    static func condition(of name: SegmentName, in directory: Descriptor, owners: RingOptions.Owners) throws(RingError) -> Condition? {
        do throws(RingError) {
            let segment = try open(name, in: directory, owners: owners, isWritable: false, orUnfinished: true)
            return segment.map { name.isTemporary(of: $0.header) ? .unfinished : .sound }
        } catch {
            guard error.code == .damaged else { throw error }
            // Examined by its name once more: whether that is the same file is found out under the lock.
            guard let facts = try name.facts(in: directory) else { return nil }
            return .damaged(facts, error)
        }
    }
}
