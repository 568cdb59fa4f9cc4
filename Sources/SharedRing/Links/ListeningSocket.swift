import CSharedRing
import Synchronization

/// A socket that listens at a path, where no other process can.
///
/// - The lock on `PATH.lock` is held from before the socket is made until after its file is gone. A lock file that no longer has its name
///   is no lock: a process that has locked it looks once more. So the holder may remove it, which an orderly `close` does.
/// - All names mean the directory that was opened first, whatever the working directory is by then.
/// - The socket's file is held open, so no other file gets its inode's number: `close` removes that file and none else.
final class ListeningSocket: Sendable {
    let path: FileName
    let descriptor: Descriptor
    private let directory: Descriptor
    private let name: FileName
    private let file: Descriptor
    private let lock: RoleLock
    private let isClosed = Atomic(false)

    /// Throws as ``LinkListener/init(path:options:)``.
    init(path: FileName, permissions: UInt32) throws(RingError) {
        try LinkSocket.check(path)
        self.path = path
        let parts = try Self.parts(of: path)
        name = parts.name
        // SAFETY, for the whole class: the strings live for the length of their calls.
        let opened = unsafe parts.directory.withCString { unsafe sr_open_directory($0) }
        guard opened >= 0 else { throw RingError(.system, link: path, errno: -opened, "its directory can't be opened") }
        directory = Descriptor(opened)
        lock = try Self.lock(Self.lockName(of: name), in: directory, path: path)
        try Self.removeDead(name, in: directory, path: path)
        let listening = unsafe path.withCString { unsafe sr_socket_listen($0, permissions) }
        guard listening >= 0 else { throw RingError(.system, link: path, errno: -listening, "it can't be listened at") }
        descriptor = Descriptor(listening)
        let held = directory.withNumber { [name] directory in unsafe name.withCString { unsafe sr_pin_at(directory, $0) } }
        guard held >= 0 else { throw RingError(.system, link: path, errno: -held, "its socket's file is not where it was made") }
        file = Descriptor(held)
    }

    deinit { close() }

    /// Once, and not in a forked child: ends the socket, and removes its file and the lock's, if these still are what was made.
    func close() {
        guard !descriptor.isInherited, !isClosed.exchange(true, ordering: .acquiringAndReleasing) else { return }
        var mine = sr_file_facts()
        if file.withNumber({ unsafe sr_facts($0, &mine) }) == 0 { Self.remove(name, in: directory, ifStill: mine) }
        descriptor.withNumber { number in
            // Clients in the kernel's queue, and then the socket: they see a hang-up now, and not when this object goes.
            for _ in 0..<1000 {
                let client = sr_socket_accept(number, 0)
                guard client >= 0 else { break }
                _ = sr_close(client)
            }
            _ = sr_socket_shut(number)
        }
        // While it is locked: a listener to come that has opened it already finds, once it has the lock, that the name is gone.
        if let mine = try? lock.facts() { Self.remove(Self.lockName(of: name), in: directory, ifStill: mine) }
        lock.unlockAll()
    }

    // MARK: Steps

    private static func parts(of path: FileName) throws(RingError) -> (directory: FileName, name: FileName) {
        guard let slash = path.bytes.lastIndex(of: UInt8(ascii: "/")) else { return (FileName("."), path) }
        let name = path.bytes[(slash + 1)...]
        guard !name.isEmpty else { throw RingError(.invalidName, link: path, "a socket's path must not end with a slash") }
        return (slash == 0 ? FileName("/") : FileName(bytes: path.bytes[..<slash]), FileName(bytes: name))
    }

    private static func lockName(of name: FileName) -> FileName { FileName(bytes: name.bytes + Array(".lock".utf8)) }

    private static func facts(of name: FileName, in directory: Descriptor) -> sr_file_facts? {
        var facts = sr_file_facts()
        let result = directory.withNumber { directory in unsafe name.withCString { unsafe sr_facts_at(directory, $0, &facts) } }
        return result == 0 ? facts : nil
    }

    private static func remove(_ name: FileName, in directory: Descriptor, ifStill mine: sr_file_facts) {
        guard let now = facts(of: name, in: directory), now.isSameFile(as: mine) else { return }
        _ = directory.withNumber { directory in unsafe name.withCString { unsafe sr_unlink_at(directory, $0) } }
    }

    private static func lock(_ name: FileName, in directory: Descriptor, path: FileName) throws(RingError) -> RoleLock {
        // Each further turn means that a listener closed in that moment; the bound is against a program that plays with us.
        for _ in 0..<1000 {
            let opened = directory.withNumber { directory in unsafe name.withCString { unsafe sr_open_lock_file(directory, $0) } }
            guard opened >= 0 else {
                if let owner = facts(of: name, in: directory)?.owner, owner != sr_effective_user() {
                    throw RingError(
                        .wrongOwner, link: path, errno: -opened,
                        "its lock file '\(path).lock' belongs to user \(owner), whose listener lives or was killed")
                }
                throw RingError(.system, link: path, errno: -opened, "its lock file '\(path).lock' can't be opened")
            }
            let lock = RoleLock(through: Descriptor(opened))
            let isLocked: Bool
            let mine: sr_file_facts
            do throws(SystemFailure) {
                isLocked = try lock.take(.consumer)
                mine = try lock.facts()
            } catch {
                throw RingError(.system, link: path, errno: error.errno, "its lock file '\(path).lock' can't be locked")
            }
            guard isLocked else {
                throw RingError(.inUse, link: path, "a living process of user \(mine.owner) listens there, and holds '\(path).lock'")
            }
            if let now = facts(of: name, in: directory), now.isSameFile(as: mine) { return lock }
        }
        throw RingError(.inUse, link: path, "others kept replacing '\(path).lock' while this process tried 1,000 times to lock it")
    }

    /// Whatever has left something under this name did not hold the lock, or is dead.
    private static func removeDead(_ name: FileName, in directory: Descriptor, path: FileName) throws(RingError) {
        guard let found = facts(of: name, in: directory) else { return }
        guard found.type == 0o140000 else {
            throw RingError(.alreadyExists, link: path, "\(found.kindOfFile) stands there")
        }
        // A program that knows nothing of our lock?
        let probe = unsafe path.withCString { unsafe sr_socket_connect($0, 0) }
        if probe >= 0 { _ = sr_close(probe) }
        guard probe == -SystemFailure.connectionRefused || probe == -SystemFailure.notFound else {
            throw RingError(.inUse, link: path, "another program listens there, whose socket belongs to user \(found.owner)")
        }
        remove(name, in: directory, ifStill: found)
    }
}
