import CSharedRing
import Foundation
import TestSupport
import Testing

@testable import SharedRing

@Suite("The time of day may be set while rings are in use", .oneByOne)
struct ClockTests {
    /// The machine's clock belongs to all processes and is not set here. But what a jump could reach is a wait by that clock, or a deadline
    /// made of it; the kernel gets every wait.
    @Test("No wait is measured by it", .enabled(if: SteadyStateTests.strace != nil && !SteadyStateTests.isSanitized, "needs strace"))
    func waits() throws {
        let place = Place()
        let log = place.path("log")
        var producer = try SPSCRing.create("r", options: place.options()).makeProducer()
        let peer = try Peer(
            [
                "-f", "-o", log, "-e", "trace=futex,clock_nanosleep,nanosleep,poll,ppoll,select,pselect6", Peer.executable, "consumer", "r",
                "directory=\(place.path)", "waiting=sleep", "check-interval=10",
            ], executable: SteadyStateTests.strace!)
        #expect(try peer.line() == "attached")
        for i in 0..<5 {
            peer.tell("next")
            // It sleeps, and a short pause lets it sleep through a check interval.
            #expect(eventually { sr_load_acquire_u32(producer.writer.pointee.doorbell) == 1 })
            usleep(15_000)
            try producer.send("\(i)")
            #expect(try peer.line() == "message \(i)")
        }
        #expect(try peer.ask("close") == "closed")
        try peer.wait()
        let calls = try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n")
        let waits = calls.filter { $0.contains("FUTEX_WAIT") && !$0.contains("_PRIVATE") }
        #expect(waits.count >= 5 && waits.allSatisfy { $0.contains("FUTEX_WAIT_BITSET,") }, "\(waits)")
        #expect(!calls.contains { $0.contains("CLOCK_REALTIME") }, "\(calls)")
    }
}
