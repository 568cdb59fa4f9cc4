import CSharedRing
import Glibc

/// The floor of throughput: chunks are copied into a shared area, handed over, and copied out.
///
/// Two counters, of chunks in and chunks out, each on its own page; then the chunks. The copies are the system's `memcpy`,
/// from and to a buffer that stays in the cache. Each chunk begins with its number.
struct StreamArea: ~Copyable {
    /// This process's own.
    let chunk: UnsafeMutableRawBufferPointer
    let chunkCount: UInt64
    private let memory: SharedMemory
    /// Where the next chunk goes or comes from, as an index: no division on the way.
    private var place = 0

    init(_ descriptor: Int32, _ test: Case) throws {
        memory = try SharedMemory(descriptor)
        chunkCount = UInt64(Self.chunkCount(of: test))
        chunk = .allocate(byteCount: test.size, alignment: 4096)
        Payload.fill(chunk.baseAddress!, test.size, 0)
    }

    deinit { chunk.deallocate() }

    private static func chunkCount(of test: Case) -> Int { max(2, test.capacity / test.size) }
    static func size(of test: Case) -> Int { 2 * 4096 + chunkCount(of: test) * test.size }

    var putIn: UnsafeMutableRawPointer { memory.start }
    var takenOut: UnsafeMutableRawPointer { memory.start + 4096 }

    /// The shared copy of the chunk whose turn it is.
    @inline(__always)
    mutating func next() -> UnsafeMutableRawPointer {
        let shared = memory.start + 2 * 4096 + place * chunk.count
        place = place + 1 == Int(chunkCount) ? 0 : place + 1
        return shared
    }

    /// The first bytes of this process's chunk, which hold its number.
    var prefix: Int { min(8, chunk.count) }
}

struct StreamSender: MessageSender, ~Copyable {
    private var area: StreamArea
    private var takenOut: UInt64 = 0

    init(_ descriptor: Int32, _ test: Case, _ side: Side) throws { area = try StreamArea(descriptor, test) }

    mutating func send(_ first: UInt64, count: Int) throws {
        while first &- takenOut >= area.chunkCount {
            takenOut = sr_load_acquire_u64(area.takenOut)
            if first &- takenOut >= area.chunkCount { sr_pause() }
        }
        Payload.fill(area.chunk.baseAddress!, area.prefix, first)
        memcpy(area.next(), area.chunk.baseAddress!, area.chunk.count)
        sr_store_release_u64(area.putIn, first &+ 1)
    }
}

struct StreamReceiver: MessageReceiver, ~Copyable {
    private var area: StreamArea
    private var putIn: UInt64 = 0

    init(_ descriptor: Int32, _ test: Case, _ side: Side) throws { area = try StreamArea(descriptor, test) }

    mutating func receive(_ first: UInt64, limit: Int) throws -> Int {
        while putIn <= first {
            putIn = sr_load_acquire_u64(area.putIn)
            if putIn <= first { sr_pause() }
        }
        memcpy(area.chunk.baseAddress!, area.next(), area.chunk.count)
        try Payload.check(area.chunk.baseAddress!, area.prefix, first)
        sr_store_release_u64(area.takenOut, first &+ 1)
        return 1
    }
}
