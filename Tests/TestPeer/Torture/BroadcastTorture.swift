import CTestSupport
import Foundation
import SharedRing

/// A broadcast whose publisher and subscribers are killed, stopped and replaced at random, until a given number of messages has passed.
///
///     TestPeer broadcast-torture [messages=1000000] [reliable=3] [lossy=3] [soft=0] [named=0] [durable=0] [kills=1000] [capacity=4096] …
///
/// Each message is its number, and bytes that follow from it. Every subscriber checks with each message that what was sent before it came, what it
/// missed and what it received add up to that number. A reliable one misses none. One with a name that goes on begins where its killed predecessor had
/// acknowledged, which a journal tells; a durable one always goes on. Publishers go on counting where the ring's statistics say that the last one was
/// killed. Exits 0 if all of that held.
struct BroadcastTorture {
    struct Setup {
        var messages: UInt64 = 1_000_000
        var reliable = 3
        var lossy = 3
        /// With a soft gate; reliable with a name; durable.
        var soft = 0
        var named = 0
        var durable = 0
        var kills = 1000
        var capacity = 4096
        var largest = 200
        var seed: UInt64 = 1
        var seconds = 600.0
        var barrier = "automatic"
        var directory = "/dev/shm"
        /// The process with which to die.
        var parent: Int32 = 0

        init(_ words: some Sequence<String>) {
            for word in words {
                let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
                guard parts.count == 2 else { continue }
                switch parts[0] {
                case "messages": messages = UInt64(parts[1])!
                case "reliable": reliable = Int(parts[1])!
                case "lossy": lossy = Int(parts[1])!
                case "soft": soft = Int(parts[1])!
                case "named": named = Int(parts[1])!
                case "durable": durable = Int(parts[1])!
                case "kills": kills = Int(parts[1])!
                case "capacity": capacity = Int(parts[1])!
                case "largest": largest = Int(parts[1])!
                case "seed": seed = UInt64(parts[1])!
                case "seconds": seconds = Double(parts[1])!
                case "barrier": barrier = parts[1]
                case "directory": directory = parts[1]
                case "parent": parent = Int32(parts[1])!
                default: break
                }
            }
        }

        var words: [String] {
            [
                "messages=\(messages)", "reliable=\(reliable)", "lossy=\(lossy)", "soft=\(soft)", "named=\(named)", "durable=\(durable)",
                "kills=\(kills)", "capacity=\(capacity)", "largest=\(largest)",
                "seed=\(seed)", "seconds=\(seconds)", "barrier=\(barrier)", "directory=\(directory)",
            ]
        }

        var options: RingOptions {
            var options = RingOptions(capacity: capacity)
            options.directory = directory
            if barrier == "symmetric" { options.barrier = .symmetric }
            return options
        }

        static let ring = "broadcast-torture"

        func count(_ kind: Kind) -> Int {
            switch kind {
            case .reliable: reliable
            case .lossy: lossy
            case .soft: soft
            case .named: named
            case .durable: durable
            }
        }

        func journal(_ name: String) -> String { "\(directory)/.\(Self.ring)-\(name)" }

        func ring() throws(RingError) -> BroadcastRing {
            try BroadcastRing.openOrCreate(Self.ring, subscribers: reliable + soft + named + durable + 2, options: options)
        }

        /// How many bytes follow a message's number, each of this value.
        func noise(_ number: UInt64) -> (count: Int, byte: UInt8) {
            var random = SplitMix(seed: number)
            let bits = random.next()
            return (Int(bits % UInt64(largest + 1)), UInt8(truncatingIfNeeded: bits >> 32))
        }
    }

    /// How a subscriber receives.
    enum Kind: String, CaseIterable {
        case reliable, lossy, soft, named, durable

        var hasName: Bool { self == .named || self == .durable }
        var mayMiss: Bool { self == .lossy || self == .soft }
        var delivery: Subscriber.Delivery {
            switch self {
            case .reliable, .named: .reliable
            case .lossy: .lossy
            case .soft: .softGated
            case .durable: .durable
            }
        }
    }

    private static let endpoint = EndpointOptions(checkInterval: .milliseconds(10))

    // MARK: The ends

    static func publish(_ words: [String]) throws {
        let setup = Setup(words)
        ts_die_with(setup.parent)
        var publisher = try setup.ring().makePublisher(options: endpoint)
        // Exact: nobody else sends.
        var number = try RingStatistics(Setup.ring, options: setup.options).lanes[0].messages
        let first = number
        var random = SplitMix(seed: setup.seed ^ number)
        if first == 0 { try publisher.waitForSubscribers(setup.reliable + setup.named + setup.durable, timeout: patience) }
        while number < setup.messages {
            let count = Int(min(random.next() % 40 == 0 ? 5 : 1, setup.messages - number))
            if count == 1 {
                let (size, byte) = setup.noise(number)
                var claim = try publisher.claim(byteCount: 8 + size, timeout: patience)
                var bytes = claim.bytes
                bytes.storeBytes(of: number, as: UInt64.self)
                for i in 0..<size { bytes.storeBytes(of: byte, toByteOffset: 8 + i, as: UInt8.self) }
                claim.commit()
            } else {
                var batch = publisher.batch()
                for index in 0..<UInt64(count) {
                    let (size, byte) = setup.noise(number + index)
                    var message = withUnsafeBytes(of: number + index) { Array($0) }
                    message += [UInt8](repeating: byte, count: size)
                    try batch.append(message, timeout: patience)
                }
                batch.commit()
            }
            number += UInt64(count)
            if random.next() % 200 == 0 { usleep(UInt32(random.next() % 300)) }
        }
        try publisher.close()
    }

    static func subscribe(_ words: [String]) throws {
        let setup = Setup(words)
        ts_die_with(setup.parent)
        let kind = Kind(rawValue: words[1])!
        var random = SplitMix(seed: setup.seed ^ UInt64(getpid()))
        let start: Subscriber.Start = [.now, .oldest, .last(10)][Int(random.next() % 3)]
        let name = kind.hasName ? "\(kind.rawValue)\(words[2])" : nil
        var subscriber = try setup.ring().makeSubscriber(
            kind.delivery, as: name, from: start, acknowledgement: kind.hasName ? .manual : .automatic, timeout: patience,
            options: endpoint)
        func wrong(_ why: String) -> Never {
            say("FAILED: \(name ?? kind.rawValue) from \(start): \(why)")
            exit(3)
        }
        let journal = try name.map { try AcknowledgementJournal(setup.journal($0)) }
        if let journal {
            let before = subscriber.sentBefore.messages
            if journal.isThere {
                if kind == .durable, !subscriber.isResumed { wrong("it did not go on") }
                if subscriber.isResumed, !(journal.acknowledged...journal.aboutToBe).contains(before) {
                    wrong("it went on at \(before), where \(journal.acknowledged) to \(journal.aboutToBe) were acknowledged")
                }
            }
            journal.begin(at: before)
        }
        var unacknowledged = 0
        var received: UInt64 = 0
        while true {
            let expected = subscriber.sentBefore.messages + received
            // A publisher that closes has sent all there is.
            if expected + subscriber.missed.messages == setup.messages { break }
            var number: UInt64?
            do throws(RingError) {
                if let message = try subscriber.next(timeout: patience) {
                    let found = message.bytes.withUnsafeBytes { $0.count < 8 ? .max : $0.loadUnaligned(as: UInt64.self) }
                    let (size, byte) = setup.noise(found)
                    guard message.byteCount == 8 + size else { wrong("message \(found) has \(message.byteCount) bytes, not \(8 + size)") }
                    guard message.bytes.withUnsafeBytes({ $0.dropFirst(8).allSatisfy { $0 == byte } }) else {
                        wrong("message \(found) is not whole")
                    }
                    number = found
                }
            } catch {
                guard error.code == .peerDied else { throw error }
            }
            guard let number else { continue }
            // What was missed before a message is counted when that message comes.
            let missed = subscriber.missed.messages
            guard number == expected + missed else { wrong("message \(number) came where \(expected) and \(missed) missed were before it") }
            received += 1
            unacknowledged += 1
            // Few enough, so that the publisher never waits for what this process holds while it waits for more.
            if let journal, unacknowledged == 8 || random.next() % 4 == 0 {
                journal.willAcknowledge(expected + 1)
                try subscriber.acknowledge()
                journal.hasAcknowledged()
                unacknowledged = 0
            }
            if random.next() % 2000 == 0 { usleep(UInt32(random.next() % 2000)) }
        }
        let missed = subscriber.missed.messages
        if !kind.mayMiss && missed != 0 { wrong("it missed \(missed)") }
        say("counted \(name ?? kind.rawValue) before \(subscriber.sentBefore.messages) missed \(missed) received \(received)")
        try subscriber.close()
    }

    // MARK: The torturer

    private enum Part: Equatable {
        case publisher
        case subscriber(Kind, number: Int)
    }

    private struct Child {
        var pid: pid_t
        var part: Part
        /// When it may be killed: one that is killed at once would never come to anything.
        var isSparedUntil: Date
    }

    static func run(_ words: [String]) throws {
        let setup = Setup(words)
        say("broadcast-torture \(setup.words.joined(separator: " "))")
        func removeJournals() {
            for kind in Kind.allCases where kind.hasName {
                for number in 0..<setup.count(kind) { unlink(setup.journal("\(kind.rawValue)\(number)")) }
            }
        }
        unlink(setup.directory + "/" + Setup.ring)
        removeJournals()
        _ = try setup.ring()
        var random = SplitMix(seed: setup.seed)
        let end = Date().addingTimeInterval(setup.seconds)

        func start(_ part: Part) -> Child {
            let words: [String] =
                switch part {
                case .publisher: ["broadcast-torture-publish"]
                case .subscriber(let kind, let number): ["broadcast-torture-subscribe", kind.rawValue, "\(number)"]
                }
            let arguments = (["/proc/self/exe"] + words + setup.words + ["parent=\(getpid())"]).map { strdup($0) } + [nil]
            defer { arguments.forEach { free($0) } }
            var pid: pid_t = 0
            guard posix_spawn(&pid, "/proc/self/exe", nil, nil, arguments, environ) == 0 else { fatalError("can't start a process") }
            return Child(pid: pid, part: part, isSparedUntil: Date().addingTimeInterval(Double(random.next() % 100) / 1000))
        }

        var children = [start(.publisher)]
        for kind in Kind.allCases { children += (0..<setup.count(kind)).map { start(.subscriber(kind, number: $0)) } }
        var (killed, publishers, stopped, finished) = (0, 0, 0, 0)
        func fail(_ why: String) -> Never {
            say("FAILED: \(why)")
            for child in children {
                kill(child.pid, SIGCONT)
                kill(child.pid, SIGKILL)
            }
            exit(1)
        }
        while !children.isEmpty {
            usleep(UInt32(500 + random.next() % 4000))
            if Date() > end { fail("not over after \(setup.seconds) s: \(children.map(\.part)) are left") }
            var status: Int32 = 0
            for index in children.indices.reversed() where waitpid(children[index].pid, &status, WNOHANG) == children[index].pid {
                if status != 0 { fail("\(children[index].part) ended with status \(status)") }
                finished += 1
                children.remove(at: index)
            }
            // Without the publisher nobody new is to come in: what it would wait for is over.
            guard let index = children.indices.randomElement(using: &random), children.contains(where: { $0.part == .publisher }) else {
                continue
            }
            let child = children[index]
            if random.next() % 3 == 0 {
                kill(child.pid, SIGSTOP)
                usleep(UInt32(random.next() % 3000))
                kill(child.pid, SIGCONT)
                stopped += 1
            } else if killed + publishers < setup.kills, Date() > child.isSparedUntil {
                kill(child.pid, SIGKILL)
                waitpid(child.pid, &status, 0)
                if status == 0 {  // it had ended by itself
                    finished += 1
                    children.remove(at: index)
                    continue
                }
                if status != SIGKILL { fail("\(child.part) ended with status \(status)") }
                if child.part == .publisher { publishers += 1 } else { killed += 1 }
                children[index] = start(child.part)
            }
        }
        let sent = try RingStatistics(Setup.ring, options: setup.options).lanes[0].messages
        guard sent == setup.messages else { fail("\(setup.messages) messages were to be sent, and \(sent) were") }
        removeJournals()
        try BroadcastRing.remove(Setup.ring, options: setup.options)
        say(
            "passed: \(sent) messages, \(killed) subscribers and \(publishers) publishers killed, \(stopped) stopped, \(finished) came to the end; each received and missed what was sent"
        )
    }
}

/// How far a named subscriber has acknowledged: words in a mapped file, which outlive it.
private struct AcknowledgementJournal {
    /// Whether a subscriber has begun; how many messages of the ring were acknowledged before the last call, and how many are with it.
    private let words: UnsafeMutablePointer<UInt64>

    init(_ path: String) throws {
        let file = open(path, O_RDWR | O_CREAT, 0o600)
        guard file >= 0, ftruncate(file, 24) == 0, let map = mmap(nil, 24, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0), map != MAP_FAILED
        else {
            fatalError("\(path): \(String(cString: strerror(errno)))")
        }
        close(file)
        words = map.assumingMemoryBound(to: UInt64.self)
    }

    var isThere: Bool { words[0] != 0 }
    var acknowledged: UInt64 { words[1] }
    var aboutToBe: UInt64 { words[2] }

    /// In this order: killed in between, it leaves bounds that its place is within.
    func begin(at count: UInt64) {
        store(2, count)
        store(1, count)
        store(0, 1)
    }

    func willAcknowledge(_ count: UInt64) { store(2, count) }
    func hasAcknowledged() { store(1, words[2]) }

    /// Calls stay in their order, as far as a kill can tell; plain stores need not.
    @inline(never)
    private func store(_ index: Int, _ value: UInt64) { words[index] = value }
}
