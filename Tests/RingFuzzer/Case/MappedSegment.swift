import CSharedRing
import Glibc
import SharedRing

/// A named segment whose file is also mapped beside the library, as an untrusted peer has it, and the state that it is put back into. For kinds that are no
/// rings; those have `Victim`.
final class MappedSegment {
    let base: UnsafeMutableRawPointer
    let size: Int
    private let state: [UInt8]

    var control: UnsafeMutableRawPointer { base + Int(sr_page_size()) }

    init(_ name: String, _ options: RingOptions) {
        let file = open(options.directory + "/" + name, O_RDWR | O_CLOEXEC)
        var facts = stat()
        fstat(file, &facts)
        size = Int(facts.st_size)
        guard let map = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0), map != MAP_FAILED else { fatalError("no map") }
        close(file)
        base = map
        state = [UInt8](UnsafeRawBufferPointer(start: map, count: size))
    }

    func restore() { state.withUnsafeBytes { base.copyMemory(from: $0.baseAddress!, byteCount: size) } }

    /// Writes a word, of which the segment gets as many bytes as it has there. A header that is sealed anew is believed as far as it makes sense: mostly it is.
    func store(_ value: UInt64, _ byteCount: Int, at place: UnsafeMutableRawPointer, _ choices: inout Choices) {
        withUnsafeBytes(of: value) { place.copyMemory(from: $0.baseAddress!, byteCount: min(byteCount, 8)) }
        guard place < control, choices.below(4) > 0 else { return }
        let header = base.assumingMemoryBound(to: sr_header.self)
        base.storeBytes(of: sr_header_checksum(header), toByteOffset: MemoryLayout<sr_header>.offset(of: \.checksum)!, as: UInt64.self)
    }

    /// Where a field stands in its block, and how long it is.
    static func word<Root, Value>(_ path: KeyPath<Root, Value>) -> (Int, Int) {
        (MemoryLayout<Root>.offset(of: path)!, MemoryLayout<Value>.size)
    }
}
