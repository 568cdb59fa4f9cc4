import CTestSupport
import Foundation
import SharedRing

/// What the traced process of a broadcast does between its two marks.
enum BroadcastOperation: String, CaseIterable {
    // The publisher's. `publishOpening`: it makes room first. `publishHeld`: there is no room.
    case publish, publishOpening, publishHeld, batch, closePublisher, dropPublisher, attachPublisher
    // A reliable subscriber's.
    case join, joinOldest, receive, acknowledge, leave, dropSubscriber
    // Of a durable one: `resume` and those behind it of one that was there before and has acknowledged two messages more than the witness.
    case joinDurable, resume, leaveDurable, removeDurable

    var isPublisher: Bool {
        switch self {
        case .publish, .publishOpening, .publishHeld, .batch, .closePublisher, .dropPublisher, .attachPublisher: true
        case .join, .joinOldest, .receive, .acknowledge, .leave, .dropSubscriber, .joinDurable, .resume, .leaveDurable, .removeDurable:
            false
        }
    }

    /// Whether a durable subscriber was there before.
    var isOfKnown: Bool { [.resume, .leaveDurable, .removeDurable].contains(self) }

    /// Whether a durable subscriber may be there afterwards.
    var isDurable: Bool { self == .joinDurable || isOfKnown }

    /// How many messages it may commit.
    var most: UInt64 { self == .batch ? 3 : [.publish, .publishOpening].contains(self) ? 1 : 0 }
}

/// The traced process: it takes its role, gets to where the operation begins, and does it between two marks.
struct BroadcastPeer {
    static let subscribers = 4
    /// The durable subscriber's name.
    static let name = "audit"
    /// What the one that was there before has acknowledged.
    static let acknowledged: UInt64 = 12
    static let options = EndpointOptions(checkInterval: .seconds(60))

    let operation: BroadcastOperation
    let ring: BroadcastRing

    /// OPERATION DIRECTORY BARRIER
    init(_ arguments: [String]) throws {
        operation = BroadcastOperation(rawValue: arguments[0])!
        var options = RingOptions(capacity: 4096)
        options.directory = CrashPeer.scratch(arguments[1])
        options.barrier = arguments[2] == "symmetric" ? .symmetric : .asymmetric
        // Everything once, in another ring: what a program does only the first time would be most of what is stepped through.
        for _ in 0..<2 {
            let ring = try BroadcastRing.openOrCreate("ring", subscribers: Self.subscribers, options: options)
            var publisher = try ring.makePublisher(waiting: .sleep, options: Self.options)
            var subscriber = try ring.makeSubscriber(acknowledgement: .manual, waiting: .sleep, options: Self.options)
            for number in 0..<UInt64(100) { _ = try publisher.trySend(Self.message(number)) }
            var batch = publisher.batch()
            _ = try batch.tryAppend(Self.message(0))
            batch.commit()
            _ = subscriber.drain { _ in }
            try subscriber.acknowledge()
            _ = try ring.makeSubscriber(from: .oldest, waiting: .sleep, options: Self.options)
            for _ in 0..<2 {
                var durable = try ring.makeSubscriber(.durable, as: Self.name, from: .oldest, waiting: .sleep, options: Self.options)
                try durable.end()
            }
            try ring.removeSubscriber(named: Self.name)
            try publisher.close()
            try subscriber.close()
            try BroadcastRing.remove("ring", options: options)
        }
        options.directory = arguments[1]
        ring = try BroadcastRing.open("ring", options: options)
    }

    static func message(_ number: UInt64) -> [UInt8] {
        withUnsafeBytes(of: number) { Array($0) } + [UInt8](repeating: UInt8(truncatingIfNeeded: number &* 37), count: 40)
    }

    /// Nil: it is none of these, or not whole.
    static func number(_ bytes: [UInt8]) -> UInt64? {
        guard bytes.count == 48 else { return nil }
        let number = bytes.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) }
        return bytes == message(number) ? number : nil
    }

    func run() throws {
        if operation.isPublisher { try runPublisher() } else { try runSubscriber() }
    }

    private func runPublisher() throws {
        if operation == .attachPublisher {
            ts_mark()
            let publisher = try ring.makePublisher(waiting: .sleep, options: Self.options)
            ts_mark()
            withExtendedLifetime(publisher) {}
            return
        }
        var publisher = try ring.makePublisher(waiting: .sleep, options: Self.options)
        var number: UInt64 = 20
        try publisher.send(Self.message(number), timeout: .zero)
        number += 1
        switch operation {
        case .publishOpening:
            // To the end of the room that is open: the next one looks at the heads.
            for _ in 0..<9 {
                try publisher.send(Self.message(number), timeout: .zero)
                number += 1
            }
        case .publishHeld:
            while try publisher.trySend(Self.message(number)) { number += 1 }
        default: break
        }
        ts_mark()
        switch operation {
        case .publish, .publishOpening: try publisher.send(Self.message(number), timeout: .zero)
        case .publishHeld: _ = try publisher.trySend(Self.message(number))
        case .batch:
            var batch = publisher.batch()
            for index in 0..<UInt64(3) { _ = try batch.tryAppend(Self.message(number + index)) }
            batch.commit()
        case .closePublisher: try publisher.end()
        default: break
        }
        if operation == .dropPublisher { Self.drop(publisher) } else { withExtendedLifetime(publisher) {} }
        ts_mark()
    }

    private static func drop(_ publisher: consuming Producer) {}
    private static func drop(_ subscriber: consuming Subscriber) {}

    private func runSubscriber() throws {
        if operation == .join || operation == .joinOldest {
            ts_mark()
            let subscriber = try ring.makeSubscriber(from: operation == .join ? .now : .oldest, waiting: .sleep, options: Self.options)
            ts_mark()
            withExtendedLifetime(subscriber) {}
            return
        }
        if operation.isDurable {
            if operation == .removeDurable {
                ts_mark()
                try ring.removeSubscriber(named: Self.name)
                return ts_mark()
            }
            func come() throws(RingError) -> Subscriber {
                try ring.makeSubscriber(.durable, as: Self.name, from: .oldest, waiting: .sleep, options: Self.options)
            }
            if operation != .leaveDurable { ts_mark() }
            var subscriber = try come()
            if operation == .leaveDurable {
                ts_mark()
                try subscriber.end()
            }
            ts_mark()
            withExtendedLifetime(subscriber) {}
            return
        }
        var subscriber = try ring.makeSubscriber(
            from: .oldest, acknowledgement: operation == .acknowledge ? .manual : .automatic, waiting: .sleep, options: Self.options)
        for _ in 0..<5 { _ = try subscriber.next(timeout: .zero) == nil }
        ts_mark()
        switch operation {
        case .receive: _ = try subscriber.next(timeout: .zero) == nil
        case .acknowledge: try subscriber.acknowledge()
        case .leave: try subscriber.end()
        default: break
        }
        if operation == .dropSubscriber { Self.drop(subscriber) } else { withExtendedLifetime(subscriber) {} }
        ts_mark()
    }
}
