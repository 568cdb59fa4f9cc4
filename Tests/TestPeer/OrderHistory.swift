import CSharedRing
import SharedRing

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
}
