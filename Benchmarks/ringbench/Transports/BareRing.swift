import CSharedRing
import Glibc

/// The ring's protocol and nothing around it: how fast a message a call can go on this machine.
///
/// Records of one size behind each other, a header that is stored last, a terminator behind it, a head that is given back late, lines
/// asked for ahead, a pause of a few microseconds where nothing is found. What it leaves out is what makes a ring usable: positions live
/// in registers, so no successor could take over; nothing that the other side wrote is checked but the message; no side sleeps, counts or forks.
struct BareRing: ~Copyable {
    /// Between two records.
    let spacing: Int
    /// Records in a lap. One place stays free, for the terminator.
    let count: UInt64
    let start: UnsafeMutableRawPointer
    let end: UnsafeMutableRawPointer
    /// How many messages the receiver is done with.
    let takenOut: UnsafeMutableRawPointer
    private let memory: SharedMemory

    private static let frontMatter = 4096
    private static func spacing(of test: Case) -> Int { (8 + test.size + 7) & ~7 }
    private static func count(of test: Case) -> Int { max(3, test.capacity / spacing(of: test)) }
    static func size(of test: Case) -> Int { frontMatter + count(of: test) * spacing(of: test) }

    init(_ descriptor: Int32, _ test: Case) throws {
        memory = try SharedMemory(descriptor)
        takenOut = memory.start
        start = memory.start + Self.frontMatter
        spacing = Self.spacing(of: test)
        count = UInt64(Self.count(of: test))
        end = start + Int(count) * spacing
    }

    static func header(_ size: Int) -> UInt64 { 1 << 31 | UInt64(size) }
}

struct BareRingSender: MessageSender, ~Copyable {
    private let ring: BareRing
    private let size: Int
    private var place: UnsafeMutableRawPointer
    /// The first message for which there was no room when that was looked at last.
    private var limit: UInt64

    init(_ descriptor: Int32, _ test: Case, _ side: Side) throws {
        ring = try BareRing(descriptor, test)
        size = test.size
        place = ring.start
        limit = ring.count - 1
    }

    mutating func send(_ first: UInt64, count: Int) throws { try sendEach(first..<first &+ UInt64(count)) }

    mutating func sendEach(_ numbers: Range<UInt64>) throws {
        let (start, end, spacing, lap, takenOut) = (ring.start, ring.end, ring.spacing, ring.count, ring.takenOut)
        var (place, limit) = (place, limit)
        withConstant(size) { size in
            let header = BareRing.header(size)
            for number in numbers {
                while number >= limit {
                    limit = sr_load_acquire_u64(takenOut) &+ lap &- 1
                    if number >= limit { sr_pause() }
                }
                let behind = place + spacing
                let next = behind == end ? start : behind
                sr_prefetch_to_write(place + 512)
                Payload.fill(place + 8, size, number)
                sr_store_relaxed_u64(next, 0)
                sr_store_release_u64(place, header)
                place = next
            }
        }
        (self.place, self.limit) = (place, limit)
    }
}

struct BareRingReceiver: MessageReceiver, ~Copyable {
    private static let pause: Int64 = 4_000

    private let ring: BareRing
    private let size: Int
    private var place: UnsafeMutableRawPointer
    /// What the sender knows to be taken out.
    private var published: UInt64 = 0

    init(_ descriptor: Int32, _ test: Case, _ side: Side) throws {
        ring = try BareRing(descriptor, test)
        size = test.size
        place = ring.start
    }

    mutating func receive(_ first: UInt64, limit: Int) throws -> Int {
        try receiveEach(first..<first &+ 1)
        return 1
    }

    mutating func receiveEach(_ numbers: Range<UInt64>) throws {
        let (start, end, spacing, lag, takenOut) = (ring.start, ring.end, ring.spacing, max(1, ring.count / 8), ring.takenOut)
        var (place, published) = (place, published)
        try withConstant(size) { size in
            let header = BareRing.header(size)
            for number in numbers {
                while sr_load_acquire_u64(place) != header {
                    sr_store_release_u64(takenOut, number)
                    published = number
                    let end = sr_now_ns() &+ Self.pause
                    while sr_now_ns() < end { sr_pause() }
                }
                try Payload.check(place + 8, size, number)
                let behind = place + spacing
                place = behind == end ? start : behind
                if number &+ 1 &- published >= lag {
                    published = number &+ 1
                    sr_store_release_u64(takenOut, published)
                }
            }
        }
        (self.place, self.published) = (place, published)
    }
}
