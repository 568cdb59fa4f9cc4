import CSharedRing

/// The process that holds, or last held, a role. For people: it may be out of date, and a hostile peer may have forged it.
public struct HolderInformation: Sendable, Equatable, CustomStringConvertible {
    /// The process id, in the holder's own pid namespace.
    public var processID: UInt32
    /// When the process started, in the unit of `/proc/pid/stat`, field 22: with the id it names one process.
    public var startTime: UInt64
    /// When it attached: nanoseconds since 1970.
    public var attachedNanoseconds: Int64
    /// The program's name.
    public var name: String

    /// "process 4711 (receive)".
    public var description: String { name.isEmpty ? "process \(processID)" : "process \(processID) (\(name))" }

    init(_ holder: sr_holder) {
        processID = holder.pid
        startTime = holder.start_time
        attachedNanoseconds = holder.attached_ns
        // SAFETY: a fixed array of 64 bytes.
        name = unsafe withUnsafeBytes(of: holder.name) { unsafe String(ofUntrusted: $0) }
    }

    /// Stores what names this process.
    static func store(in place: UnsafeMutablePointer<sr_holder>) {
        var holder = sr_holder()
        holder.pid = sr_process_id()
        holder.start_time = sr_process_start_time()
        holder.attached_ns = sr_realtime_ns()
        // SAFETY: the name is 64 bytes; `place` lies in the control mapping, and only the holder of the role's byte writes it.
        unsafe withUnsafeMutableBytes(of: &holder.name) { bytes in
            unsafe sr_process_name(bytes.baseAddress!.assumingMemoryBound(to: CChar.self), UInt64(bytes.count))
        }
        unsafe place.pointee = holder
    }
}

extension String {
    /// A text out of the segment, up to its first NUL. It ends up in error messages and on terminals, and is an untrusted peer's: what
    /// is not UTF-8 is repaired; what can't be seen and changes what is seen (controls, marks of direction) is left out.
    init(ofUntrusted bytes: UnsafeRawBufferPointer) {
        let text = unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        self.init(String.UnicodeScalarView(text.unicodeScalars.filter { ![.control, .format].contains($0.properties.generalCategory) }))
    }
}
