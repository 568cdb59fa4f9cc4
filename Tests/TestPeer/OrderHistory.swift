import CSharedRing
import Foundation
import SharedRing
import Synchronization

/// Histories of sends, and the check that deliveries respect real time.
public enum OrderHistory {
    /// When a send began and when it had returned, in nanoseconds of the monotonic clock.
    public struct Send: Sendable {
        public let lane: Int
        public let began: Int64
        public let returned: Int64
    }

    public struct Delivery: Sendable {
        public let lane: Int
        public let index: Int

        public init(lane: Int, index: Int) {
            self.lane = lane
            self.index = index
        }
    }

    /// Sends the numbers from 0 and notes when.
    public static func record(_ producer: inout Producer, count: Int) throws(RingError) -> [Send] {
        var sends: [Send] = []
        sends.reserveCapacity(count)
        let lane = producer.lane
        for index in 0..<UInt64(count) {
            let began = sr_now_ns()
            try producer.send(value: index)
            sends.append(Send(lane: lane, began: began, returned: sr_now_ns()))
            if index & 0xff == 0 { sr_sleep_ns(1) }
        }
        return sends
    }

    /// How many deliveries came after one whose send began only when their own had returned. One pass: the latest begin so
    /// far bounds every return that may still follow.
    public static func inversions(_ deliveries: [Delivery], _ sends: [Int: [Send]]) -> Int {
        var latestBegin = Int64.min
        var count = 0
        for delivery in deliveries {
            guard let send = sends[delivery.lane]?[delivery.index] else { return .max }
            if send.returned < latestBegin { count += 1 }
            latestBegin = max(latestBegin, send.began)
        }
        return count
    }

    private final class Count: Sendable { let value = Atomic(0) }

    /// Records a history of `producers` threads and one consumer, checks it, and says what it found.
    static func run(producers: Int, count: Int) throws -> String {
        let ring = try MPSCRing.anonymous(lanes: producers, order: .total, options: RingOptions(capacity: 1 << 18))
        var consumer = try ring.makeConsumer(ending: .whenAllEnded(atLeast: producers))
        let histories = Mutex<[Int: [Send]]>([:])
        // Each has a lane of its own only while the others are attached, too.
        let attached = Count()
        let threads = (0..<producers).map { _ in
            let thread = Thread {
                do {
                    var producer = try ring.makeProducer()
                    attached.value.add(1, ordering: .relaxed)
                    while attached.value.load(ordering: .relaxed) < producers { sched_yield() }
                    let sends = try record(&producer, count: count)
                    histories.withLock { $0[producer.lane] = sends }
                    try producer.close()
                } catch {
                    fatalError("\(error)")
                }
            }
            thread.start()
            return thread
        }
        var deliveries: [Delivery] = []
        deliveries.reserveCapacity(producers * count)
        var descents = 0
        var lastTicket: UInt64?
        while let message = try consumer.next(timeout: patience) {
            let ticket = message.sequence
            if let lastTicket, ticket <= lastTicket { descents += 1 }
            lastTicket = ticket
            deliveries.append(Delivery(lane: message.lane, index: Int(message.integer(as: UInt64.self)!)))
        }
        _ = threads
        let found = histories.withLock { inversions(deliveries, $0) }
        return
            "\(deliveries.count) messages of \(producers) producers: \(found) inversions against real time, \(descents) tickets out of order"
    }
}
