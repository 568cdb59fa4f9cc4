import CSharedRing

/// The open file of a segment that this program can't use, and that is not damaged: of another layout version, or of this one with a kind, a
/// feature, a layout hash or a page size that this program does not have.
struct OtherVersion: Sendable {
    let facts: sr_file_facts
    let major: UInt16
    let minor: UInt16
    /// "spsc", or "kind 7" if this program does not know it.
    let kind: String
    /// Nil: this program does not know the version.
    let layout: KnownLayout?
    /// What the version's own part of the header says; nil if the version is unknown, or the checksum does not fit.
    let details: Details?
    /// The error of opening it: `incompatible`.
    let refusal: RingError
    private let descriptor: Descriptor

    struct Details: Sendable {
        let label: String
        let createdNanoseconds: Int64
        let instance: SegmentHeader.Instance
    }

    /// Nil: this program can use it, or it is damaged, or it is no segment.
    init?(_ descriptor: Descriptor, _ facts: sr_file_facts, _ header: sr_header, ring: String) {
        guard header.magic == UInt64(SR_MAGIC) else { return nil }
        do throws(RingError) {
            _ = try SegmentHeader(checking: header, fileSize: facts.size, ring: ring)
            return nil
        } catch {
            guard error.code == .incompatible else { return nil }
            refusal = error
        }
        self.descriptor = descriptor
        self.facts = facts
        major = header.major
        minor = header.minor
        layout = KnownLayout.version(header.major)
        kind = layout?.kinds[header.kind] ?? "kind \(header.kind)"
        details = layout.flatMap { Details($0, header) }
    }

    /// Whether a process holds a role of it; nil if this program does not know where the version's locks stand, or the system does not say.
    /// A system call.
    var isInUse: Bool? {
        // A remover's lock, which has no end, is no holder.
        lockHolder.map { $0 == .held }
    }

    /// Whether a process holds one of its lock bytes, be it a remover or a creator; nil as of `isInUse`. A system call.
    var isLocked: Bool? { lockHolder.map { $0 != .free } }

    private var lockHolder: RoleLock.Holder? {
        layout.flatMap { layout in RoleLock.holderOfAny(in: descriptor, from: layout.firstLockByte) }
    }

    /// Whether its creator is making it under this name, or died while it did.
    func isTemporary(_ name: SegmentName) -> Bool { details.map { name.isTemporary(of: $0.instance) } ?? false }
}

extension OtherVersion.Details {
    fileprivate init?(_ layout: KnownLayout, _ header: sr_header) {
        // SAFETY: every row of the table has its fields inside the first 512 bytes, and a label has 64.
        let details: Self? = unsafe withUnsafeBytes(of: header) { bytes in
            let checksum = unsafe sr_hash_bytes(SR_HASH_START, bytes.baseAddress!, UInt64(layout.checksum))
            guard unsafe bytes.loadUnaligned(fromByteOffset: layout.checksum, as: UInt64.self) == checksum else { return nil }
            return unsafe Self(
                label: String(ofUntrusted: UnsafeRawBufferPointer(rebasing: bytes[layout.label..<(layout.label + 64)])),
                createdNanoseconds: bytes.loadUnaligned(fromByteOffset: layout.created, as: Int64.self),
                instance: .init(
                    high: bytes.loadUnaligned(fromByteOffset: layout.instance, as: UInt64.self),
                    low: bytes.loadUnaligned(fromByteOffset: layout.instance + 8, as: UInt64.self)))
        }
        guard let details else { return nil }
        self = details
    }
}

extension Segment {
    /// What the name stands for, if that is a segment that this program can't use and that is not damaged. Nil: it is another one, or nothing is
    /// there. Throws as `open`, but for `damaged` and `incompatible`.
    static func otherVersion(_ name: SegmentName, in directory: Descriptor, owners: RingOptions.Owners) throws(RingError) -> OtherVersion? {
        guard let file = try openFile(name, in: directory, isWritable: false) else { return nil }
        do throws(RingError) {
            let facts = try examine(file, owners: owners, ring: name.ring, isAnonymous: false)
            return OtherVersion(file, facts, try storedHeader(file, facts, ring: name.ring), ring: name.ring)
        } catch {
            if error.code == .notFound || error.code == .damaged { return nil }
            throw error
        }
    }

    /// Removes such a segment if no process is attached to it. False: it is none, or this program does not know where its locks stand, or it is not
    /// wanted. Throws `inUse`, `incompatible`, `system`.
    ///
    /// `isWanted` has the last word, while every lock byte is held.
    static func removeOtherVersion(
        _ name: SegmentName, owners: RingOptions.Owners, ifWanted isWanted: (OtherVersion) -> Bool = { _ in true }
    ) throws(RingError) -> Bool {
        let directory = try name.openDirectory()
        for turn in 0..<1000 {
            guard let segment = try otherVersion(name, in: directory, owners: owners) else { return false }
            guard let layout = segment.layout else { return false }
            let lock: RoleLock
            let isAlone: Bool
            do throws(SystemFailure) {
                lock = try RoleLock(name.name, in: directory)
                guard try lock.isOf(segment.facts) else { continue }  // removed and made anew between the two opens
                isAlone = try lock.takeEverything(from: layout.firstLockByte)
            } catch {
                if error.errno == SystemFailure.notFound { continue }  // removed between the two opens
                throw RingError(.system, ring: name.ring, errno: error.errno, "its role bytes can't be locked")
            }
            if isAlone {
                // The lock's description keeps the bytes until the name is gone.
                defer { lock.unlockAll() }
                guard isWanted(segment) else { return false }
                if try unlink(name, ifStill: segment.facts) { return true }
                continue
            }
            switch segment.isInUse {
            case true?:
                throw RingError(.inUse, ring: name.ring, "it is in use by a program of layout \(segment.major).\(segment.minor)")
            case nil:
                throw RingError(.inUse, ring: name.ring, "its role bytes are locked, and the system does not say whether by a user of it")
            case false?:
                sr_sleep_ns(turn < 100 ? 10_000 : 1_000_000)  // it was another remover, or a process that has ended since
            }
        }
        throw RingError(.inUse, ring: name.ring, "others kept its role bytes locked while this process tried 1,000 times to remove it")
    }
}
