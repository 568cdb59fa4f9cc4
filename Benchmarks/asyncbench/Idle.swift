import Foundation
import SharedRing

/// What rings cost whose consumers are awaited, and whose producers live, while nothing comes.
struct Idle {
    let rings: Int
    let seconds: Int
    let checkInterval: Duration

    func run() async throws {
        var producers: [Handover<Producer>] = []
        var cancellers: [Canceller] = []
        var tasks: [Task<Void, any Error>] = []
        for _ in 0..<rings {
            let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
            producers.append(Handover(try ring.makeProducer()))
            let consumer = try ring.makeConsumer(options: EndpointOptions(checkInterval: checkInterval))
            cancellers.append(consumer.canceller)
            let box = Handover(consumer)
            tasks.append(Task { try await box.value!.waitUntilReady() })
        }
        // A wait's first looks around come more often.
        try await Task.sleep(for: .milliseconds(500) + checkInterval * 10)
        let (before, switches) = usage()
        try await Task.sleep(for: .seconds(seconds))
        let (after, switchesAfter) = usage()
        let threads = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")
        let waiters = threads.filter { (try? String(contentsOfFile: "/proc/self/task/\($0)/comm", encoding: .utf8)) == "sharedring-wait\n" }
        print(
            String(
                format: "%d rings, %d s: %.1f ms of processor time (%.3f %%), %d context switches, %d waiter threads of %d threads", rings,
                seconds, (after - before) * 1e3, (after - before) / Double(seconds) * 100, switchesAfter - switches, waiters.count,
                threads.count))
        for canceller in cancellers { canceller.cancel() }
        for task in tasks { _ = try? await task.value }
        withExtendedLifetime(producers) {}
    }

    /// Processor time in seconds, and voluntary context switches.
    private func usage() -> (Double, Int) {
        var usage = rusage()
        getrusage(0, &usage)  // RUSAGE_SELF
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
        return (seconds(usage.ru_utime) + seconds(usage.ru_stime), usage.ru_nvcsw)
    }
}
