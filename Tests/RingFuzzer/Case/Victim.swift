import CSharedRing
import Glibc
import SharedRing

/// A ring whose file is also mapped beside the library, as an untrusted peer has it, and the states it can be put back into.
final class Victim {
    let descriptor: Int32
    let base: UnsafeMutableRawPointer
    let size: Int
    let lanes: Int
    let alignment: Int
    let capacity: Int
    let isMerging: Bool
    let isTotallyOrdered: Bool
    /// A ring that its name finds, if it has one.
    let name: String?
    let options: RingOptions
    let control: UnsafeMutablePointer<sr_lanes_control>
    private let dataOffset: Int
    private var states: [[UInt8]] = []

    var stateCount: Int { states.count }

    /// `lanes` 0: one producer. `name`: in the test's directory; else the ring is anonymous.
    init(lanes: Int, isTotallyOrdered: Bool, alignment: Int, isSymmetric: Bool, name: String? = nil) throws(RingError) {
        var options = RingOptions(capacity: 4096)
        options.recordAlignment = alignment
        options.barrier = isSymmetric ? .symmetric : .automatic
        isMerging = lanes > 0
        let order: MPSCRing.Order = isTotallyOrdered ? .total : .perProducer
        if let name {
            options.directory = TestDirectory.directory(of: getpid())
            if isMerging {
                _ = try MPSCRing.create(name, lanes: lanes, order: order, options: options)
            } else {
                _ = try SPSCRing.create(name, options: options)
            }
            descriptor = Glibc.open(options.directory + "/" + name, O_RDWR | O_CLOEXEC)
        } else {
            descriptor =
                isMerging
                ? try MPSCRing.anonymous(lanes: lanes, order: order, options: options).duplicateDescriptor()
                : try SPSCRing.anonymous(options: options).duplicateDescriptor()
        }
        self.name = name
        self.options = options
        var header = sr_header()
        guard pread(descriptor, &header, MemoryLayout<sr_header>.size, 0) == MemoryLayout<sr_header>.size else { fatalError("no header") }
        size = Int(header.total_size)
        guard let map = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0), map != MAP_FAILED else { fatalError("no map") }
        base = map
        self.lanes = max(lanes, 1)
        self.alignment = alignment
        self.isTotallyOrdered = isTotallyOrdered
        capacity = Int(header.lanes.lane_capacity)
        dataOffset = Int(header.data_offset)
        control = (base + Int(header.control_offset)).assumingMemoryBound(to: sr_lanes_control.self)
        try prepareStates()
    }

    func lane(_ number: Int) -> UnsafeMutablePointer<sr_lane_control> { sr_lane(control, UInt32(number)) }

    func data(_ lane: Int) -> UnsafeMutableRawPointer { base + dataOffset + lane * capacity }

    func restore(_ state: Int) {
        makeAgainIfRemoved()
        states[state].withUnsafeBytes { base.copyMemory(from: $0.baseAddress!, byteCount: size) }
    }

    func openSPSC() throws(RingError) -> SPSCRing {
        if let name { return try SPSCRing.open(name, options: options) }
        return try SPSCRing.open(descriptor: descriptor)
    }

    func openMPSC() throws(RingError) -> MPSCRing {
        if let name { return try MPSCRing.open(name, options: options) }
        return try MPSCRing.open(descriptor: descriptor)
    }

    /// A ring that was removed gets a new file, under the same descriptor and at the same address.
    private func makeAgainIfRemoved() {
        var facts = stat()
        guard let name, fstat(descriptor, &facts) != 0 || facts.st_nlink == 0 else { return }
        let path = options.directory + "/" + name
        let file = Glibc.open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard file >= 0, posix_fallocate(file, 0, size) == 0, dup2(file, descriptor) == descriptor,
            mmap(base, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, descriptor, 0) == base
        else { fatalError("\(path) can't be made again: errno \(errno)") }
        close(file)
    }

    private func save() { states.append([UInt8](UnsafeRawBufferPointer(start: base, count: size))) }

    // MARK: States

    private func prepareStates() throws(RingError) {
        save()  // new
        try fill(messages: 3, bytes: 20, closes: false)
        save()  // a few messages of producers that died
        try fill(messages: 2, bytes: 100, closes: true)
        save()  // and of others that closed
        try fill(messages: .max, bytes: 50, closes: true)
        save()  // full
        try drain()
        try fill(messages: .max, bytes: 7, closes: false)
        save()  // full, in the second lap
        try drain()
        save()  // empty, with the ends unread
        restore(0)
        for number in 0..<lanes {
            let position = 0 &- UInt64(2 * capacity)
            lane(number).pointee.head = position
            sr_publish_checkpoint(lane(number), sr_checkpoint(tail: position, messages: 0, bytes: 0, write_limit: position))
        }
        for _ in 0..<2 {
            try fill(messages: .max, bytes: 30, closes: true)
            save()  // shortly before positions overflow, and across it
            try drain()
        }
    }

    private func fill(messages: Int, bytes: Int, closes: Bool) throws(RingError) {
        let message = [UInt8](repeating: 0x41, count: bytes)
        if isMerging {
            let ring = try openMPSC()
            // The first lane only, and then all: with one in use, and with several.
            try fill(ring.makeProducer(), messages: messages, message: message, closes: closes)
            guard lanes > 1, messages > 2 else { return }
            let first = try ring.makeProducer()
            try fill(ring.makeProducer(), messages: messages, message: message, closes: closes)
            try first.close()
        } else {
            try fill(openSPSC().makeProducer(), messages: messages, message: message, closes: closes)
        }
    }

    private func fill(_ producer: consuming Producer, messages: Int, message: [UInt8], closes: Bool) throws(RingError) {
        var producer = producer
        var count = 0
        while count < messages, try producer.trySend(message, tag: UInt32(count)) { count += 1 }
        if closes { try producer.close() }
    }

    private func drain() throws(RingError) {
        if isMerging {
            var consumer = try openMPSC().makeConsumer()
            consumer.drain { _ in }
            try consumer.close()
        } else {
            var consumer = try openSPSC().makeConsumer()
            consumer.drain { _ in }
            try consumer.close()
        }
    }
}
