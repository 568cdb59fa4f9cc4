import Foundation
import SharedRing

/// One message there and one back: both sides wait every time, so this is what a wake-up costs.
struct Turns {
    let count: Int

    func run() async throws {
        for isAsynchronous in [false, true] {
            let (there, back) = (try SPSCRing.anonymous(), try SPSCRing.anonymous())
            var asking = try there.makeProducer()
            var answers = try back.makeConsumer(waiting: .sleep)
            let (questions, answering) = (Handover(try there.makeConsumer(waiting: .sleep)), Handover(try back.makeProducer()))
            let times: [Double]
            if isAsynchronous {
                let task = Task {
                    var questions = questions.value.take()!
                    var answering = answering.value.take()!
                    try await questions.forEach { message in _ = try answering.trySend(value: message.byteCount) }
                    try answering.close()
                }
                var taken: [Double] = []
                for number in 0..<count {
                    let start = now()
                    try await asking.send(value: number)
                    try await answers.waitUntilReady()
                    guard answers.nextIfAvailable() != nil else { fatalError("nothing came") }
                    taken.append(now() - start)
                }
                times = taken
                try asking.close()
                try await task.value
            } else {
                let thread = Thread {
                    var questions = questions.value.take()!
                    var answering = answering.value.take()!
                    while let message = try? questions.next() { try? answering.send(value: message.byteCount) }
                    try? answering.close()
                }
                thread.start()
                times = try Self.ask(&asking, &answers, count)
                try asking.close()
                while !thread.isFinished { usleep(100) }
            }
            let sorted = times.sorted()
            print(
                String(
                    format: "%@: half within %.1f µs, 99 %% within %.1f µs", isAsynchronous ? "asynchronous" : "synchronous, sleeping",
                    sorted[count / 2] * 1e6, sorted[count * 99 / 100] * 1e6))
        }
    }

    private static func ask(_ asking: inout Producer, _ answers: inout Consumer, _ count: Int) throws -> [Double] {
        var taken: [Double] = []
        for number in 0..<count {
            let start = now()
            try asking.send(value: number)
            guard try answers.next() != nil else { fatalError("ended") }
            taken.append(now() - start)
        }
        return taken
    }
}
