/// Holds an entry of a ``Board`` and sets its value. Make one with ``Board/makeWriter(_:options:)``.
///
/// Setting a value is wait-free, and makes no system call while no reader sleeps. With readers that sleep it makes one, which wakes all of them.
/// The writer ends with its last use, or with ``close()``; the entry keeps its value.
public struct BoardWriter: ~Copyable, Sendable {
    @usableFromInline let core: BoardWriterCore

    init(_ core: BoardWriterCore) { self.core = core }

    /// The entry's key, repaired if it is not UTF-8.
    public var key: String { String(decoding: core.facts.key, as: UTF8.self) }

    /// The largest value, in bytes.
    public var capacity: Int { core.facts.capacity }

    /// The version of the newest value; 0: there is none yet.
    public var version: UInt64 { core.version }

    /// Sets the value. The bytes are copied once. O(bytes); never blocks, never allocates.
    ///
    /// - Parameters:
    ///   - bytes: the value, at most ``capacity`` bytes, possibly none.
    ///   - tag: anything; readers get it with the value.
    /// - Returns: the value's version.
    /// - Throws: `messageTooLarge`, `forked`. The entry keeps its last value then.
    @discardableResult
    @inlinable
    @inline(__always)
    public mutating func set(_ bytes: RawSpan, tag: UInt32 = 0) throws(RingError) -> UInt64 {
        do throws(RingError) { return try core.set(bytes, tag) } catch { throw error.aboutBoard }
    }

    /// Sets the value to the bytes of an array; see `set` of a raw span.
    @discardableResult
    @inlinable
    public mutating func set(_ bytes: [UInt8], tag: UInt32 = 0) throws(RingError) -> UInt64 {
        // SAFETY: bytes have no padding.
        try unsafe set(bytes.span.bytes, tag: tag)
    }

    /// Sets the value to a text's UTF-8; see `set` of a raw span.
    @discardableResult
    public mutating func set(_ text: String, tag: UInt32 = 0) throws(RingError) -> UInt64 {
        // SAFETY: as above.
        try unsafe set(text.utf8Span.span.bytes, tag: tag)
    }

    /// Sets the value to that of a type of which any bytes are a value; see `set` of a raw span.
    @discardableResult
    @inlinable
    public mutating func set<Value: AnyBytes>(value: Value, tag: UInt32 = 0) throws(RingError) -> UInt64 {
        let target: UnsafeMutableRawPointer
        do throws(RingError) { unsafe target = try core.begin(MemoryLayout<Value>.size) } catch { throw error.aboutBoard }
        // SAFETY: the slot has room for so many bytes, and may stand at any address.
        unsafe target.storeBytes(of: value, as: Value.self)
        return core.commit(MemoryLayout<Value>.size, tag)
    }

    /// Sets the value in place: the body writes the bytes where readers will find them.
    ///
    /// No reader sees anything of it before the body has returned. If the body throws, the entry keeps its last value.
    ///
    /// - Parameters:
    ///   - byteCount: how many bytes the value has, at most ``capacity``.
    ///   - tag: anything; readers get it with the value.
    ///   - body: writes the bytes, which are at first those of an older value, or of none. It is called once.
    /// - Returns: the value's version.
    /// - Throws: `messageTooLarge`, `forked`; what the body throws.
    @discardableResult
    public mutating func update(byteCount: Int, tag: UInt32 = 0, _ body: (inout MutableRawSpan) throws -> Void) throws -> UInt64 {
        let target = try onBoard { () throws(RingError) in unsafe try UncheckedPlace(core.begin(byteCount)) }
        // SAFETY: the slot has room for so many bytes, and no reader takes a value from it before the commit. The span does not outlive the body.
        var span = unsafe MutableRawSpan(_unsafeStart: target.address, byteCount: byteCount)
        try body(&span)
        return core.commit(byteCount, tag)
    }

    /// Sets the value if the newest one has that version: for a program that has read it before. O(bytes).
    ///
    /// - Parameters:
    ///   - version: of the value that is to be replaced; 0: there is to be none yet.
    ///   - bytes: as of `set`.
    ///   - tag: as of `set`.
    /// - Returns: the new version; nil: the newest value has another version, and the entry was left as it is.
    /// - Throws: as `set`.
    public mutating func set(_ bytes: RawSpan, tag: UInt32 = 0, ifVersion version: UInt64) throws(RingError) -> UInt64? {
        guard self.version == version else { return nil }
        return try set(bytes, tag: tag)
    }

    /// Ends the writer: another process may become the entry's writer. A dropped writer ends as well.
    public consuming func close() { core.close() }

    /// Ends the writer as ``close()`` does, where it can't be given away: in a stored property, an actor, a `defer`.
    ///
    /// Ending again does nothing; setting a value throws `ended` from then on. Does not block.
    ///
    /// - Throws: `forked`.
    public mutating func end() throws(RingError) { try onBoard { () throws(RingError) in try core.end() } }
}

/// Where a value goes, out of a closure.
@safe
private struct UncheckedPlace {
    let address: UnsafeMutableRawPointer

    init(_ address: UnsafeMutableRawPointer) { unsafe self.address = address }
}
