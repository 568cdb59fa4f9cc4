import CSharedRing

/// What both sides of a handshake need: the packets by which a connected socket becomes a link. See `sr_link_packet`.
enum LinkPacket {
    enum Refusal: UInt32 {
        case user = 1
        case version = 2
        case packet = 3
        case system = 4
    }

    static func make(_ kind: Int32, reason: Refusal? = nil) -> sr_link_packet {
        var packet = sr_link_packet()
        packet.magic = UInt64(SR_LINK_MAGIC)
        packet.kind = UInt32(kind)
        packet.oldest = UInt16(SR_LINK_VERSION)
        packet.newest = UInt16(SR_LINK_VERSION)
        packet.reason = reason?.rawValue ?? 0
        return packet
    }

    static func unexpected(_ packet: sr_link_packet, _ count: Int, at path: FileName, _ what: StaticString) -> RingError {
        RingError(
            .handshakeFailed, link: path,
            "a packet of kind \(packet.kind) with \(counted(count, "descriptor")) came where \(what) was expected")
    }
}

extension LinkOptions {
    /// Both rings' options: for peers of other users the memory must be theirs to open.
    var ringOptions: RingOptions {
        var ring = ring
        ring.allowedOwners = allowedUsers
        if case .sameUser = allowedUsers { return ring }
        ring.permissions = 0o666
        return ring
    }

    /// The process at the other end, if it may be there. Throws `wrongOwner`.
    func allowedPeer(of socket: LinkSocket, _ whose: StaticString) throws(RingError) -> LinkPeer {
        let peer = try socket.peer
        let user = User(peer.userID)
        let isAllowed = if case .sameUser = allowedUsers { user.isOneself } else { allowedUsers.admits(user) }
        guard isAllowed else {
            throw RingError(.wrongOwner, link: socket.path, "its \(whose) runs as \(user), who is not allowed")
        }
        return peer
    }
}
