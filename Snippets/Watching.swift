// What goes through a ring: no user of the ring notices the tap.
import SharedRing

/// Messages a second, lane by lane, from two readings.
func rates(from first: RingStatistics, to last: RingStatistics) -> [Int: Double] {
    let seconds = Double(last.readNanoseconds - first.readNanoseconds) * 1e-9
    var rates: [Int: Double] = [:]
    for lane in last.lanes {
        let before = first.lanes.first { $0.number == lane.number }?.messages ?? 0  // it may have come into use since
        rates[lane.number] = lane.messages > before ? Double(lane.messages - before) / seconds : 0
    }
    return rates
}

/// Prints the messages that pass. Call it again and again to see them all.
func show(_ tap: inout RingTap) throws(RingError) {
    for event in try tap.poll() {
        switch event {
        case .message(let message): print("lane \(message.lane):", String(decoding: message.bytes, as: UTF8.self))
        case .ended(let lane, _, let isClosed): print("lane \(lane):", isClosed ? "closed" : "cut off")
        case .missed(let miss): print("lane \(miss.lane): \(miss.byteCount) bytes were overwritten before they were seen")
        case .damaged(let damage): print("damaged:", damage.detail)
        @unknown default: print("something that came with a later version")
        }
    }
}

func watch() throws(RingError) {
    let ring = try MPSCRing.openOrCreate("watched", lanes: 4)
    var tap = try RingTap("watched")
    let first = try RingStatistics("watched")
    var producer = try ring.makeProducer()
    try producer.send("hello")
    try producer.close()
    try show(&tap)
    print(rates(from: first, to: try RingStatistics("watched")))
}

try watch()
try MPSCRing.remove("watched")
