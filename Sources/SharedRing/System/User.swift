import CSharedRing

/// A user id as the kernel shows it to this process: of a file's owner, or of a peer.
struct User: CustomStringConvertible {
    let id: UInt32

    init(_ id: UInt32) { self.id = id }

    /// Whether the id stands for no user in particular: in a user namespace the kernel shows every user that the namespace does not map
    /// as one id, the overflow user's. Such a user may be any, so it is no user's peer and owns no user's file: not
    /// even of a process that is shown to itself as the same id.
    ///
    /// Without /proc, the overflow id is taken for unmapped. A system call or two, and only for that id.
    var isUnmapped: Bool { sr_is_user_unmapped(id) != 0 }

    /// Whether it is certainly the user of this process.
    var isOneself: Bool { id == sr_effective_user() && !isUnmapped }

    var description: String { isUnmapped ? "a user that this user namespace does not map (shown as \(id))" : "user \(id)" }
}
