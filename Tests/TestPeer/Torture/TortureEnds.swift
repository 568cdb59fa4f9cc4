import CSharedRing
import CTestSupport
import Foundation
import SharedRing

/// What both tortured ends agree on.
struct TortureSetup {
    var kind = "mpsc"
    var order = "per-producer"
    var lanes = 16
    var senders = 16
    var messages = 1_000_000
    var capacity = 1 << 16
    var largest = 300
    var seed: UInt64 = 1
    var seconds = 600.0
    var killsReceiver = false
    var directory = "/dev/shm"
    var ring = "torture"
    /// The process with which to die.
    var parent: Int32 = 0

    var options: RingOptions {
        var options = RingOptions(capacity: capacity)
        options.directory = directory
        return options
    }

    var ledgerPath: String { directory + "/torture-ledger" }

    /// Words of the form name=value.
    init(_ words: some Sequence<String>) {
        for word in words {
            let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2 else { continue }
            switch parts[0] {
            case "kind": kind = parts[1]
            case "order": order = parts[1]
            case "lanes": lanes = Int(parts[1])!
            case "senders": senders = Int(parts[1])!
            case "messages": messages = Int(parts[1])!
            case "capacity": capacity = Int(parts[1])!
            case "largest": largest = Int(parts[1])!
            case "seed": seed = UInt64(parts[1])!
            case "seconds": seconds = Double(parts[1])!
            case "kill-receiver": killsReceiver = parts[1] == "yes"
            case "parent": parent = Int32(parts[1])!
            case "directory": directory = parts[1]
            default: break
            }
        }
    }

    var words: [String] {
        [
            "kind=\(kind)", "order=\(order)", "lanes=\(lanes)", "senders=\(senders)", "messages=\(messages)", "capacity=\(capacity)",
            "largest=\(largest)", "seed=\(seed)", "seconds=\(seconds)", "kill-receiver=\(killsReceiver ? "yes" : "no")",
            "directory=\(directory)",
        ]
    }

    private func mpsc() throws(RingError) -> MPSCRing {
        try MPSCRing.openOrCreate(ring, lanes: lanes, order: order == "total" ? .total : .perProducer, options: options)
    }

    func makeProducer() throws(RingError) -> Producer {
        kind == "mpsc" ? try mpsc().makeProducer() : try SPSCRing.openOrCreate(ring, options: options).makeProducer()
    }

    /// The contents of a sender's message with this index: its index, then noise of a length that both ends can compute.
    func noise(_ sender: UInt32, _ index: UInt64) -> (size: Int, seed: UInt64) {
        var random = SplitMix(seed: UInt64(sender) << 40 ^ index)
        let bits = random.next()
        return (Int(bits % UInt64(largest + 1)), bits | 1)
    }

    func write(_ noise: (size: Int, seed: UInt64), index: UInt64, to bytes: UnsafeMutableRawBufferPointer) {
        bytes.storeBytes(of: index, as: UInt64.self)
        var word = noise.seed
        for i in 8..<(8 + noise.size) {
            bytes[i] = UInt8(truncatingIfNeeded: word >> 32)
            word = word &* 0x5851_f42d_4c95_7f2d &+ 1
        }
    }

    func matches(_ noise: (size: Int, seed: UInt64), _ bytes: UnsafeRawBufferPointer) -> Bool {
        guard bytes.count == 8 + noise.size else { return false }
        var word = noise.seed
        for i in 8..<bytes.count {
            if bytes[i] != UInt8(truncatingIfNeeded: word >> 32) { return false }
            word = word &* 0x5851_f42d_4c95_7f2d &+ 1
        }
        return true
    }
}

enum TortureEnds {
    /// Sends `count` messages by every way of sending, noting each.
    static func send(_ setup: TortureSetup, sender: UInt32, count: UInt64) throws {
        ts_die_with(setup.parent)
        let ledger = Ledger(path: setup.ledgerPath)
        var random = SplitMix(seed: setup.seed ^ UInt64(sender) << 17)
        var producer = try setup.makeProducer()
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: setup.largest + 8, alignment: 8)
        var index: UInt64 = 0
        while index < count {
            let way = random.next() % 8
            if way == 0 {
                let size = min(count - index, 1 + random.next() % 6)
                ledger.begun[sender] = index + size
                var batch = producer.batch()
                for next in index..<(index + size) {
                    let noise = setup.noise(sender, next)
                    setup.write(noise, index: next, to: room)
                    try persist { () throws(RingError) in
                        try batch.append(UnsafeRawBufferPointer(rebasing: room[..<(8 + noise.size)]).bytes, tag: sender)
                    }
                }
                batch.commit()
                index += size
            } else {
                let noise = setup.noise(sender, index)
                ledger.begun[sender] = index + 1
                if way < 4 {
                    try persist { () throws(RingError) in
                        var claim = try producer.claim(byteCount: 8 + noise.size)
                        var bytes = claim.bytes
                        bytes.withUnsafeMutableBytes { setup.write(noise, index: index, to: $0) }
                        claim.commit(tag: sender)
                    }
                } else {
                    setup.write(noise, index: index, to: room)
                    try persist { () throws(RingError) in
                        try producer.send(UnsafeRawBufferPointer(rebasing: room[..<(8 + noise.size)]), tag: sender)
                    }
                }
                index += 1
            }
            ledger.sent[sender] = index
        }
        if random.next() & 1 == 0 { try producer.close() }
    }

    /// Goes on when it hears that the receiver has gone: another one comes.
    private static func persist(_ body: () throws(RingError) -> Void) throws(RingError) {
        while true {
            do throws(RingError) { return try body() } catch {
                if error.code != .peerDied && error.code != .peerClosed { throw error }
            }
        }
    }

    static func receive(_ setup: TortureSetup) throws {
        ts_die_with(setup.parent)
        if setup.kind == "mpsc" {
            let ring = try MPSCRing.openOrCreate(
                setup.ring, lanes: setup.lanes, order: setup.order == "total" ? .total : .perProducer, options: setup.options)
            var consumer = try ring.makeConsumer(acknowledgement: .manual)
            try receive(setup, from: &consumer) { (consumer) throws(RingError) in try consumer.acknowledge() }
        } else {
            var consumer = try SPSCRing.openOrCreate(setup.ring, options: setup.options).makeConsumer(acknowledgement: .manual)
            try receive(setup, from: &consumer) { (consumer) throws(RingError) in try consumer.acknowledge() }
        }
    }

    /// Checks every message against the ledger. A violation ends the process with status 3.
    private static func receive<Source: MessageSource & ~Copyable>(
        _ setup: TortureSetup, from source: inout Source, acknowledge: (inout Source) throws(RingError) -> Void
    ) throws {
        let ledger = Ledger(path: setup.ledgerPath)
        var random = SplitMix(seed: UInt64(getpid()))
        var seen: [UInt32: UInt64] = [:]
        var unacknowledged: [UInt32: UInt64] = [:]
        var untilAcknowledging = 4
        func violation(_ text: String) -> Never {
            say("VIOLATION: \(text)")
            exit(3)
        }
        var lastTicket: UInt64?
        while true {
            var isQuiet = false
            do throws(RingError) {
                if let message = try source.next(timeout: .milliseconds(20)) {
                    let sender = message.tag
                    let index = message.bytes.unsafeLoadUnaligned(as: UInt64.self)
                    let isRight = message.bytes.withUnsafeBytes { setup.matches(setup.noise(sender, index), $0) }
                    guard isRight else { violation("message \(index) of sender \(sender) has wrong bytes") }
                    if let expected = seen[sender] {
                        guard index == expected else { violation("sender \(sender): message \(index) came instead of \(expected)") }
                    } else {
                        let (first, last) = (ledger.acknowledged[sender], ledger.handedOut[sender])
                        guard index >= first, index <= last else {
                            violation("sender \(sender): a new receiver got message \(index), not one of \(first) to \(last)")
                        }
                    }
                    if setup.order == "total" {
                        let ticket = message.sequence
                        if let lastTicket { guard ticket > lastTicket else { violation("ticket \(ticket) came after \(lastTicket)") } }
                        lastTicket = ticket
                    }
                    seen[sender] = index + 1
                    unacknowledged[sender] = index + 1
                    ledger.handedOut[sender] = max(ledger.handedOut[sender], index + 1)
                }
            } catch {
                switch error.code {
                case .timedOut: isQuiet = true
                case .peerDied: break
                default: violation("\(error)")
                }
            }
            untilAcknowledging -= 1
            if untilAcknowledging <= 0 || isQuiet {
                do throws(RingError) { try acknowledge(&source) } catch { violation("\(error)") }
                for (sender, index) in unacknowledged { ledger.acknowledged[sender] = index }
                unacknowledged.removeAll(keepingCapacity: true)
                // Never more than half of a small ring, or the sender waits for the receiver to run into its timeout.
                untilAcknowledging = Int(random.next() % UInt64(min(64, setup.capacity / setup.largest / 2)))
                if isQuiet && ledger.isOver { return }
            }
        }
    }
}
