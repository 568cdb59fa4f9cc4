import Foundation

@testable import SharedRing

/// What the body throws; nil if it does not.
func failure(of body: () throws(RingError) -> Void) -> RingError? {
    do throws(RingError) {
        try body()
        return nil
    } catch {
        return error
    }
}

/// Other surroundings than a process usually has: its own namespaces, another user.
enum Namespaces {
    /// Whether this process may make namespaces and become another user.
    static let canBeChanged: Bool = {
        guard geteuid() == 0, let peer = try? Peer(["--mount", "--pid", "--fork", "true"], executable: unshare) else { return false }
        return (try? peer.wait()) == 0
    }()
    static let canHaveOwnTime: Bool = {
        guard geteuid() == 0, let peer = try? Peer(["--time", "--monotonic", "1000", "--fork", "true"], executable: unshare) else {
            return false
        }
        return (try? peer.wait()) == 0
    }()

    static let unshare = "/usr/bin/unshare"
    static let setpriv = "/usr/bin/setpriv"
}

extension Peer {
    /// An endpoint started by `words`, a program that becomes or starts another.
    convenience init(_ role: String, of name: String, in place: Place, by words: [String], _ options: String...) throws {
        try self.init(
            words.dropFirst() + [Peer.executable, role, name, "directory=\(place.path)"] + options, executable: words[0])
        let answer = try line()
        guard answer == "attached" else { throw Failure(description: answer) }
    }

    /// A shell command that goes before the peer, in a mount namespace of its own.
    static func afterMounting(_ command: String) -> [String] {
        [Namespaces.unshare, "--mount", "--propagation", "private", "/bin/sh", "-c", "\(command) && exec \"$@\"", "sh"]
    }
}
