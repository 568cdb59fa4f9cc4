import CSharedRing

/// One open file description that is never mapped, and the role bytes locked through it.
///
/// The kernel unlocks the bytes when the last descriptor of the description is closed, and so whatever ends the
/// process. That is why the description is never mapped (a mapping would pin it beyond `close`), never shared between
/// two endpoints (they would not conflict), never inherited (`O_CLOEXEC`, and closed in forked children).
final class RoleLock: Sendable {
    private let descriptor: Descriptor

    /// Opens `name` in `directory`. The negative errno is thrown as `SystemFailure`.
    init(_ name: FileName, in directory: Descriptor) throws(SystemFailure) {
        // SAFETY: the string lives for the length of the call.
        let opened = directory.withNumber { directory in unsafe name.withCString { unsafe sr_open_at(directory, $0, 1) } }
        descriptor = Descriptor(try SystemFailure.check(opened))
    }

    /// Opens the file of a descriptor again.
    init(of file: Descriptor) throws(SystemFailure) {
        descriptor = Descriptor(try SystemFailure.check(file.withNumber { sr_reopen($0) }))
    }

    /// Locks through this descriptor itself, which nothing else uses.
    init(through descriptor: Descriptor) { self.descriptor = descriptor }

    /// The bytes are unlocked, and not only the descriptor closed: a process that is being started (`posix_spawn`, `vfork`) has copies of all descriptors until its exec
    /// closes them, and the bytes of a description stay locked as long as one of its descriptors is open.
    deinit { if !descriptor.isInherited { unlockAll() } }

    /// Locks the role's byte. False: another endpoint holds it, or a process is removing the ring.
    func take(_ role: Role) throws(SystemFailure) -> Bool { role == .observer ? true : try take(from: role.lockByte, count: 1) }

    /// Locks the byte of a broadcast's names. False: another process looks for a name just now, or is removing the ring.
    func takeNames() throws(SystemFailure) -> Bool { try take(from: sr_lock_names(), count: 1) }

    /// Unlocks the byte of a broadcast's names.
    func unlockNames() { unlock(from: sr_lock_names(), count: 1) }

    /// Locks every byte there is. Success proves that no other endpoint is attached.
    func takeEverything() throws(SystemFailure) -> Bool { try takeEverything(from: sr_lock_first()) }

    /// The same, of a layout version whose lock bytes begin elsewhere.
    func takeEverything(from first: Int64) throws(SystemFailure) -> Bool { try take(from: first, count: 0) }

    /// Unlocks every byte after `takeEverything`, except a role's.
    func keepOnly(_ role: Role) {
        let byte = role.lockByte
        if byte > sr_lock_first() { unlock(from: sr_lock_first(), count: byte - sr_lock_first()) }
        unlock(from: byte + 1, count: 0)
    }

    /// Unlocks every byte, of any layout.
    func unlockAll() { unlock(from: 0, count: 0) }

    /// Whether this is the file that was opened for mapping, and not one that took its name in between.
    func isOf(_ segment: Segment) throws(SystemFailure) -> Bool { try isOf(segment.facts) }

    func isOf(_ file: sr_file_facts) throws(SystemFailure) -> Bool { try facts().isSameFile(as: file) }

    func facts() throws(SystemFailure) -> sr_file_facts {
        var facts = sr_file_facts()
        // SAFETY: `facts` lives for the length of the call.
        _ = try SystemFailure.check(descriptor.withNumber { unsafe sr_facts($0, &facts) })
        return facts
    }

    /// Unlocks a lane's byte that a merging consumer took to clean up.
    func unlock(_ role: Role) { unlock(from: role.lockByte, count: 1) }

    private func unlock(from start: Int64, count: Int64) { _ = descriptor.withNumber { sr_unlock($0, start, count) } }

    private func take(from start: Int64, count: Int64) throws(SystemFailure) -> Bool {
        let result = descriptor.withNumber { sr_lock($0, start, count) }
        if result == -SystemFailure.tryAgain { return false }
        _ = try SystemFailure.check(result)
        return true
    }

    /// Whether another endpoint, or a remover, holds any byte.
    func isAnythingHeld() throws(SystemFailure) -> Bool { try Self.holder(in: descriptor, from: sr_lock_first(), count: 0) != .free }

    func isAnyLaneHeld(of count: Int) throws(SystemFailure) -> Bool {
        try Self.holder(in: descriptor, from: Role.lane(0).lockByte, count: Int64(count)) != .free
    }

    func isAnySubscriberHeld(of count: Int) throws(SystemFailure) -> Bool {
        try Self.holder(in: descriptor, from: Role.subscriber(0).lockByte, count: Int64(count)) != .free
    }

    enum Holder: Equatable {
        /// No process holds it.
        case free
        /// A process has the role.
        case held
        /// Every byte is locked by a process that is about to unlink the file.
        case remover
    }

    /// The holder of the role's byte, other than this open file description. It never takes the byte, so no process is refused because of it.
    func holder(of role: Role) throws(SystemFailure) -> Holder {
        try Self.holder(in: descriptor, from: role.lockByte, count: 1)
    }

    /// The holder of the role's byte, asked through any descriptor of the file. Nil: the system does not say.
    static func holder(of role: Role, in file: Descriptor) -> Holder? { try? holder(in: file, from: role.lockByte, count: 1) }

    /// The holder of a byte from `first` on, asked through any descriptor of the file. Nil: the system does not say.
    static func holderOfAny(in file: Descriptor, from first: Int64) -> Holder? { try? holder(in: file, from: first, count: 0) }

    /// `count`: 0 for all that follow.
    private static func holder(in file: Descriptor, from start: Int64, count: Int64) throws(SystemFailure) -> Holder {
        switch try SystemFailure.check(file.withNumber { sr_lock_query($0, start, count) }) {
        case 0: .free
        case 1: .held
        default: .remover
        }
    }
}
