import CSharedRing

/// A board mapped to be read: its data for reading only, its control blocks for writing where this process may, so that it can wait on them.
///
/// No role is held. So no writer notices a reader, and a board can be removed while it is read.
@safe
final class MappedBoard: @unchecked Sendable {
    let segment: Segment
    let shape: BoardShape
    let blocks: BoardBlocks
    /// Whether this process may write the control blocks. Without that it can't say that it sleeps.
    let canWait: Bool
    let ring: String
    private let isNamed: Bool
    private let control: Mapping
    private let data: Mapping
    private let generation = sr_fork_generation()

    /// Throws as opening the board does, and `notFlushed`.
    init(_ handle: BoardHandle, _ endpoint: EndpointOptions) throws(RingError) {
        var segment = try handle.openSegment()
        segment.isDataDumped = endpoint.isDataDumped
        ring = handle.ring
        guard let shape = segment.header.board else { throw RingError(.incompatible, ring: ring, "it is not a board") }
        self.segment = segment
        self.shape = shape
        if case .named = handle.location { isNamed = true } else { isNamed = false }
        try segment.requireFlushed(options: handle.options, ring: ring)

        let offset: Int
        if let writable = try? Mapping.control(of: segment, ring: ring) {
            (control, offset) = writable
            canWait = true
        } else {
            (control, offset) = try Mapping.control(of: segment, writable: false, ring: ring)
            canWait = false
        }
        data = try Mapping.data(of: segment, writable: false, prefault: endpoint.prefault, ring: ring)
        // SAFETY: the board's control blocks stand there; the mapping reaches to the end of the last one.
        blocks = unsafe BoardBlocks(control.base + offset, shape, ring: ring)
    }

    /// Where the data area begins.
    var values: UnsafeRawPointer { unsafe UnsafeRawPointer(data.base) }

    var isInherited: Bool { generation != sr_fork_generation() }

    /// Whether the board's name was taken away: then no process writes it any more but those that write it now. A system call.
    var isRemoved: Bool {
        guard isNamed else { return false }
        var facts = sr_file_facts()
        // SAFETY: `facts` lives for the length of the call.
        return segment.descriptor.withNumber { unsafe sr_facts($0, &facts) } == 0 && facts.links == 0
    }
}
