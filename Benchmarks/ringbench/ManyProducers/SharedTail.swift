import CBench
import CSharedRing
import Glibc

/// The other way to have several producers: one ring for all, whose slots they take by adding to a shared tail.
///
///     0      tail: the next slot to take; every send adds to it
///     256    head: every slot before it has been read
///     4096   slots: 8 bytes of sequence number, then the message
///
/// Slot n is there when its sequence number is n + 1, which no earlier lap has stored. So the consumer need not write into
/// slots: it stores the head, once in an eighth of a lap or when nothing more is there, and producers remember the last
/// head they saw. A producer that is stopped between taking a slot and filling it stops all others, sooner or later. A side
/// that waits does so in turns (a moment at the processor, then `sched_yield`, then asleep), since the other side does not wake it.
struct SharedTail {
    /// A power of two.
    let slotCount: UInt64
    /// Slots lie as close as they can: on lines of their own the ring does half as much.
    let stride: Int

    init(_ test: Case) {
        stride = (8 + test.size + 7) & ~7
        let count = max(2 * test.batch, test.capacity / stride)
        let whole: UInt64 = 1 << UInt64(63 - count.leadingZeroBitCount)
        guard let manyProducers = test.manyProducers?.setup, manyProducers.drainsAfter else {
            slotCount = whole
            return
        }
        // As much as all producers send before the consumer receives.
        slotCount = whole * 2 * UInt64(manyProducers.producers).nextPowerOf2
    }

    var size: Int { 4096 + Int(slotCount) * stride }

    @inline(__always)
    func slot(_ number: UInt64, in area: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer {
        area + 4096 + Int(truncatingIfNeeded: number & (slotCount &- 1)) &* stride
    }

    @inline(__always)
    static func tail(of area: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer { area }
    @inline(__always)
    static func head(of area: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer { area + 256 }

    /// Until something holds, with more and more patience.
    @inline(never)
    static func wait(until isThere: () -> Bool) {
        for _ in 0..<1000 {
            sr_pause()
            if isThere() { return }
        }
        for _ in 0..<50 {
            sched_yield()
            if isThere() { return }
        }
        while !isThere() { usleep(50) }
    }
}

extension UInt64 {
    fileprivate var nextPowerOf2: UInt64 { self <= 1 ? 1 : 1 << UInt64(64 - (self - 1).leadingZeroBitCount) }
}

extension Case {
    func openSharedTail() throws -> Int32 { try makeMemory(SharedTail(self).size) }
}

struct SharedTailSender: MessageSender, ~Copyable {
    private let memory: SharedMemory
    private let shape: SharedTail
    private let size: Int
    /// The first slot that the consumer has not given back, as last seen.
    private var head: UInt64 = 0

    init(_ descriptor: Int32, _ test: Case, _ side: Side) throws {
        shape = SharedTail(test)
        size = test.size
        memory = try SharedMemory(descriptor)
    }

    @inline(__always)
    mutating func send(_ first: UInt64, count: Int) throws {
        let place = sr_fetch_add_acq_rel_u64(SharedTail.tail(of: memory.start), UInt64(count))
        for index in 0..<UInt64(count) {
            let number = place &+ index
            if number &- head >= shape.slotCount { waitForRoom(number) }
            let slot = shape.slot(number, in: memory.start)
            Payload.fill(slot + 8, size, first &+ index)
            sr_store_release_u64(slot, number &+ 1)
        }
    }

    @inline(never)
    private mutating func waitForRoom(_ number: UInt64) {
        let (area, slotCount) = (memory.start, shape.slotCount)
        head = sr_load_acquire_u64(SharedTail.head(of: area))
        if number &- head < slotCount { return }
        SharedTail.wait { number &- sr_load_acquire_u64(SharedTail.head(of: area)) < slotCount }
        head = sr_load_acquire_u64(SharedTail.head(of: area))
    }
}

struct SharedTailReceiver: ManyProducersReceiver, ~Copyable {
    private let memory: SharedMemory
    private let shape: SharedTail
    private var head: UInt64 = 0
    private var published: UInt64 = 0

    init(_ descriptor: Int32, _ test: Case) throws {
        shape = SharedTail(test)
        memory = try SharedMemory(descriptor)
    }

    mutating func receive(_ count: Int, batch: Int, _ ledger: inout Ledger) throws {
        var left = count
        while left > 0 { left &-= try receive(limit: min(batch, left), &ledger) }
    }

    @inline(__always)
    private mutating func receive(limit: Int, _ ledger: inout Ledger) throws -> Int {
        var slot = shape.slot(head, in: memory.start)
        if sr_load_acquire_u64(slot) != head &+ 1 { wait(slot) }
        var count = 0
        repeat {
            try ledger.check(slot + 8)
            head &+= 1
            count &+= 1
            if head &- published >= shape.slotCount / 8 { publish() }
            slot = shape.slot(head, in: memory.start)
        } while count < limit && sr_load_acquire_u64(slot) == head &+ 1
        return count
    }

    @inline(never)
    private mutating func wait(_ slot: UnsafeMutableRawPointer) {
        publish()
        let wanted = head &+ 1
        SharedTail.wait { sr_load_acquire_u64(slot) == wanted }
    }

    @inline(__always)
    private mutating func publish() {
        published = head
        sr_store_release_u64(SharedTail.head(of: memory.start), head)
    }
}
