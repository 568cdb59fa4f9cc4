import CSharedRing
import Glibc

/// The floor of throughput: chunks are copied into a shared area, handed over, and copied out.
///
/// Two counters, of chunks in and chunks out, each on its own page; then the chunks. The copies are the system's `memcpy`,
/// from and to a buffer that stays in the cache. Each chunk begins with its number.
enum StreamArea {
    static func chunkCount(of test: Case) -> Int { max(2, test.capacity / test.size) }
    static func size(of test: Case) -> Int { 2 * 4096 + chunkCount(of: test) * test.size }
}

struct StreamSender: MessageSender, ~Copyable {
    private let area: UnsafeMutableRawPointer
    private let areaSize: Int
    private let chunk: UnsafeMutableRawBufferPointer
    private let chunkCount: UInt64
    /// Where the next chunk goes, as an index: no division on the way.
    private var place = 0
    private var takenOut: UInt64 = 0

    init(_ descriptor: Int32, _ test: Case, _ side: Side) throws {
        areaSize = StreamArea.size(of: test)
        area = try mapShared(descriptor, areaSize)
        chunkCount = UInt64(StreamArea.chunkCount(of: test))
        chunk = .allocate(byteCount: test.size, alignment: 4096)
        Payload.fill(chunk.baseAddress!, test.size, 0)
    }

    deinit {
        munmap(area, areaSize)
        chunk.deallocate()
    }

    mutating func send(_ first: UInt64, count: Int) throws {
        while first &- takenOut >= chunkCount {
            takenOut = sr_load_acquire_u64(area + 4096)
            if first &- takenOut >= chunkCount { sr_pause() }
        }
        Payload.fill(chunk.baseAddress!, min(8, chunk.count), first)
        memcpy(area + 2 * 4096 + place * chunk.count, chunk.baseAddress!, chunk.count)
        place = place + 1 == Int(chunkCount) ? 0 : place + 1
        sr_store_release_u64(area, first &+ 1)
    }
}

struct StreamReceiver: MessageReceiver, ~Copyable {
    private let area: UnsafeMutableRawPointer
    private let areaSize: Int
    private let chunk: UnsafeMutableRawBufferPointer
    private let chunkCount: Int
    private var place = 0
    private var putIn: UInt64 = 0

    init(_ descriptor: Int32, _ test: Case, _ side: Side) throws {
        areaSize = StreamArea.size(of: test)
        area = try mapShared(descriptor, areaSize)
        chunkCount = StreamArea.chunkCount(of: test)
        chunk = .allocate(byteCount: test.size, alignment: 4096)
        Payload.fill(chunk.baseAddress!, test.size, 0)
    }

    deinit {
        munmap(area, areaSize)
        chunk.deallocate()
    }

    mutating func receive(_ first: UInt64, limit: Int) throws -> Int {
        while putIn <= first {
            putIn = sr_load_acquire_u64(area)
            if putIn <= first { sr_pause() }
        }
        memcpy(chunk.baseAddress!, area + 2 * 4096 + place * chunk.count, chunk.count)
        try Payload.check(chunk.baseAddress!, min(8, chunk.count), first)
        place = place + 1 == chunkCount ? 0 : place + 1
        sr_store_release_u64(area + 4096, first &+ 1)
        return 1
    }
}
