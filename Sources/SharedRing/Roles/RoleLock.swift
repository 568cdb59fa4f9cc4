import CSharedRing

/// One open file description that is never mapped, and the role bytes locked through it.
///
/// The kernel gives the bytes back when the last descriptor of the description is closed, and so whatever ends the
/// process. That is why the description is never mapped (a mapping would pin it beyond `close`), never shared between
/// two endpoints (they would not conflict), never inherited (`O_CLOEXEC`, and closed in forked children).
@safe
final class RoleLock: @unchecked Sendable {
    private let entry: OpaquePointer

    /// Opens `name` in `directory`, or, if `name` is nil, the file of descriptor `of` again. The negative errno is thrown
    /// as `SystemFailure`.
    init(directory: Int32, name: FileName?, of descriptor: Int32) throws(SystemFailure) {
        var failure: Int32 = 0
        // SAFETY: the strings and `failure` live for the length of the call; the entry is ours until `deinit`.
        let opened =
            if let name {
                unsafe name.withCString { unsafe sr_fork_open(directory, $0, descriptor, &failure) }
            } else {
                unsafe sr_fork_open(directory, nil, descriptor, &failure)
            }
        guard let opened = unsafe opened else { throw SystemFailure(failure) }
        unsafe entry = opened
    }

    deinit { unsafe sr_fork_close(entry) }

    var descriptor: Int32 { unsafe sr_fork_descriptor(entry) }

    /// Locks the role's byte. False: somebody else holds it, or is removing the ring.
    func take(_ role: Role) throws(SystemFailure) -> Bool { try take(from: role.lockByte, count: 1) }

    /// Locks every byte there is. Success proves that nobody else is attached.
    func takeEverything() throws(SystemFailure) -> Bool { try take(from: Role.consumer.lockByte, count: 0) }

    /// Gives back everything after `takeEverything`, except the consumer's byte.
    func keepOnlyConsumer() { _ = sr_unlock(descriptor, Role.lane(0).lockByte, 0) }

    /// Unlocks every byte.
    func giveBack() { _ = sr_unlock(descriptor, Role.consumer.lockByte, 0) }

    /// Whether this is the file that was opened for mapping, and not one that took its name in between.
    func isOf(_ segment: Segment) throws(SystemFailure) -> Bool { try isOf(segment.facts) }

    func isOf(_ file: sr_file_facts) throws(SystemFailure) -> Bool {
        var facts = sr_file_facts()
        // SAFETY: `facts` lives for the length of the call.
        _ = try SystemFailure.check(unsafe sr_facts(descriptor, &facts))
        return facts.isSameFile(as: file)
    }

    /// Unlocks a lane's byte that a merging consumer took to clean up.
    func release(_ role: Role) { _ = sr_unlock(descriptor, role.lockByte, 1) }

    private func take(from start: Int64, count: Int64) throws(SystemFailure) -> Bool {
        let result = sr_lock(descriptor, start, count)
        if result == -SystemFailure.tryAgain { return false }
        _ = try SystemFailure.check(result)
        return true
    }

    func isAnyLaneHeld(of count: Int) throws(SystemFailure) -> Bool {
        try SystemFailure.check(sr_lock_query(descriptor, Role.lane(0).lockByte, Int64(count))) != 0
    }

    enum Holder: Equatable {
        case nobody
        case somebody
        /// Every byte is locked by one who is about to unlink the file.
        case remover
    }

    /// Who, other than this description, holds the role's byte. Never takes the byte, so it disturbs nobody.
    func holder(of role: Role) throws(SystemFailure) -> Holder {
        switch try SystemFailure.check(sr_lock_query(descriptor, role.lockByte, 1)) {
        case 0: .nobody
        case 1: .somebody
        default: .remover
        }
    }
}
