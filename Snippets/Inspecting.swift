// The processes that use a ring, and how much waits in it: no user of the ring notices the look.
import SharedRing

func describe(_ name: String) throws(RingError) {
    let report = try RingReport(name)
    print("\(report.name): \(report.laneCount) lanes of \(report.capacity) bytes; consumer: \(report.consumer.presence.rawValue)")
    for lane in report.lanes {
        let holder = lane.producer.holder.map { "\($0)" } ?? "unknown"
        print("lane \(lane.number): \(lane.producer.presence.rawValue), \(holder), \(lane.backlog) bytes waiting")
    }
}

func leaveOneMessage() throws(RingError) {
    var producer = try MPSCRing.openOrCreate("inspected", lanes: 4).makeProducer()
    try producer.send("hello")
    try describe("inspected")
    try producer.close()
}

try leaveOneMessage()
try MPSCRing.remove("inspected")
