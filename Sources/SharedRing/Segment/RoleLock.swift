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

    /// Locks the role's byte. False: somebody else holds it, or is removing the ring.
    func take(_ role: Role) throws(SystemFailure) -> Bool { role == .observer ? true : try take(from: role.lockByte, count: 1) }

    /// Locks every byte there is. Success proves that nobody else is attached.
    func takeEverything() throws(SystemFailure) -> Bool { try takeEverything(from: sr_lock_first()) }

    /// The same, of a layout version whose lock bytes begin elsewhere.
    func takeEverything(from first: Int64) throws(SystemFailure) -> Bool { try take(from: first, count: 0) }

    /// Gives back everything after `takeEverything`, except a role's byte.
    func keepOnly(_ role: Role) {
        let byte = role.lockByte
        if byte > sr_lock_first() { unlock(from: sr_lock_first(), count: byte - sr_lock_first()) }
        unlock(from: byte + 1, count: 0)
    }

    /// Unlocks every byte.
    func unlockAll() { unlock(from: sr_lock_first(), count: 0) }

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
    func release(_ role: Role) { unlock(from: role.lockByte, count: 1) }

    private func unlock(from start: Int64, count: Int64) { _ = descriptor.withNumber { sr_unlock($0, start, count) } }

    private func take(from start: Int64, count: Int64) throws(SystemFailure) -> Bool {
        let result = descriptor.withNumber { sr_lock($0, start, count) }
        if result == -SystemFailure.tryAgain { return false }
        _ = try SystemFailure.check(result)
        return true
    }

    func isAnyLaneHeld(of count: Int) throws(SystemFailure) -> Bool {
        try Self.holder(in: descriptor, from: Role.lane(0).lockByte, count: Int64(count)) != .nobody
    }

    func isAnySubscriberHeld(of count: Int) throws(SystemFailure) -> Bool {
        try Self.holder(in: descriptor, from: Role.subscriber(0).lockByte, count: Int64(count)) != .nobody
    }

    enum Holder: Equatable {
        case nobody
        case somebody
        /// Every byte is locked by one who is about to unlink the file.
        case remover
    }

    /// Who, other than this description, holds the role's byte. Never takes the byte, so it disturbs nobody.
    func holder(of role: Role) throws(SystemFailure) -> Holder {
        try Self.holder(in: descriptor, from: role.lockByte, count: 1)
    }

    /// Who holds the role's byte, asked through any descriptor of the file. Nil: the system does not say.
    static func holder(of role: Role, in file: Descriptor) -> Holder? { try? holder(in: file, from: role.lockByte, count: 1) }

    /// Who holds a byte from `first` on, asked through any descriptor of the file. Nil: the system does not say.
    static func holderOfAny(in file: Descriptor, from first: Int64) -> Holder? { try? holder(in: file, from: first, count: 0) }

    /// `count`: 0 for all that follow.
    private static func holder(in file: Descriptor, from start: Int64, count: Int64) throws(SystemFailure) -> Holder {
        switch try SystemFailure.check(file.withNumber { sr_lock_query($0, start, count) }) {
        case 0: .nobody
        case 1: .somebody
        default: .remover
        }
    }
}
