import CSharedRing
import CTestSupport
import Foundation
import SharedRing

/// Steps through an operation of a client or a server. At every point the segment as it stands is copied, which is what killed processes would leave, and
/// on each copy a new server serves, and a new client takes the slot, settles what is there, and calls.
struct CallCrash {
    let situation: CallSituation
    let directory: String

    func run() -> Outcome {
        var outcome = Outcome()
        do { try run(&outcome) } catch { outcome.problems.append("\(error)") }
        return outcome
    }

    private func run(_ outcome: inout Outcome) throws {
        let stage = directory + "/call-stage"
        TracedSegment.makeStage(stage)
        let service = try situation.make(CallSituation.serviceName, in: stage)
        let segment = try TracedSegment(stage + "/" + CallSituation.serviceName)
        situation.prepare(segment.memory)
        var sleeping: CallSleeper?
        if situation == .answerAsleep { sleeping = try CallSleeper(service, situation.request, CallWords(segment.memory)) }

        try segment.step(["call-peer", situation.rawValue, stage], copyingTo: directory + "/" + Self.imageName, &outcome) {
            image, point, outcome in
            recover(image, point, &outcome)
        }
        if let sleeping, sleeping.reply(within: 60) != situation.reply {
            outcome.problems.append("the client slept on, or has another reply")
        }
    }

    private static let imageName = "call-image"

    /// What comes after a death with the segment as in the image.
    private func recover(_ image: UnsafeMutableRawPointer, _ point: String, _ outcome: inout Outcome) {
        func complain(_ what: String) { outcome.problems.append("\(point): \(what)") }
        let words = CallWords(image)
        do {
            var options = situation.options(directory)
            options.allowedOwners = .anyone
            let check = try RingCheck(Self.imageName, options: options)
            for damage in check.damage { complain(damage.detail) }
            // A reply that is there is whole.
            if words.requestNumber == 1, words.isSettled {
                let isWhole =
                    switch words.how {
                    case SR_CALL_REPLIED, SR_CALL_REFUSED: words.replyBytes == situation.reply
                    default: words.replyBytes.isEmpty
                    }
                if !isWhole { complain("a reply that is settled as \(words.how) has \(words.replyBytes)") }
                if words.how == SR_CALL_NOT_EXECUTED, !words.isWithdrawn { complain("not executed, and not withdrawn") }
                if words.how == SR_CALL_UNKNOWN, situation != .settle { complain("unknown, and its server lives") }
            }
            if situation.isStream {
                let all = (0..<3).map(CallSituation.part)
                // A client reads from the front, a server sends at the back.
                guard let parts = words.parts, parts == Array(all.prefix(parts.count)) || parts == Array(all.suffix(parts.count)) else {
                    return complain("the lane has \(words.parts.map { "\($0)" } ?? "what no process writes")")
                }
                if situation == .streamSend, words.isSettled, words.how == SR_CALL_REPLIED, parts.count != 3 {
                    complain("the stream has ended behind \(parts.count) parts")
                }
            }
            let isPending = words.requestNumber == 1 && !words.isClaimed
            let service = try CallService.open(Self.imageName, options: options)

            // A new server starts what was not started, once and whole, and nothing else.
            if outcome.images % 2 == 0 {
                var server = try service.makeServer()
                if let call = try server.nextIfAvailable() {
                    if !isPending { complain("a call was started that was claimed") }
                    if call.array != situation.request { complain("the request is \(call.array)") }
                    try call.reply(situation.reply)
                } else if isPending {
                    complain("a call that waits was not started")
                }
                if try server.nextIfAvailable() != nil { complain("a call was started twice") }
                server.close()
            }
            // A new client takes the slot, settles what is there, and its own call gets its own reply.
            let client = try service.makeClient(slots: 1, options: EndpointOptions(checkInterval: .milliseconds(10)))
            let answerer = try CallAnswerer(service)
            let reply = try client.call(CallSituation.payload(7, 45), timeout: .seconds(10)).array
            if reply != CallSituation.payload(8, 45) { complain("another call's reply: \(reply)") }
            if situation.isStream {
                var stream = try client.stream(CallSituation.payload(7, 45), timeout: .seconds(10))
                var count = 0
                while try stream.next() {
                    if stream.array != CallSituation.payload(UInt8(count), 100) { complain("another stream's part: \(stream.array)") }
                    count += 1
                }
                if count != 9 || stream.takeReply()?.array != CallSituation.payload(8, 45) { complain("a stream of \(count) parts") }
            }
            // Of a call that was pending, the new client has withdrawn it, or the server above has answered it.
            if answerer.end() != (situation.isStream ? 2 : 1) { complain("the new client's calls were not started once each") }
            let report = try RingReport(Self.imageName, options: options)
            if report.callSlots.first?.state != .quiet { complain("the slot is not quiet") }
            for damage in try RingCheck(Self.imageName, options: options).damage { complain(damage.detail) }
        } catch {
            complain("\(error)")
        }
    }
}

/// Answers calls in a thread of its own, each byte by the next one.
private final class CallAnswerer: @unchecked Sendable {
    private var server: CallServer?
    private let canceller: Canceller
    private let done = DispatchSemaphore(value: 0)
    private var started = 0

    init(_ service: CallService) throws {
        let server = try service.makeServer(waiting: .sleep)
        canceller = server.canceller
        self.server = consume server
        Thread.detachNewThread { [self] in
            var server = self.server.take()!
            try? server.serve { request, answer in
                started += 1
                if request.wantsStream {
                    var writer = try answer.stream()
                    for number in 0..<9 { try writer.send(CallSituation.payload(UInt8(number), 100)) }
                    return try writer.finish(request.array.map { $0 &+ 1 })
                }
                try answer.reply(request.array.map { $0 &+ 1 })
            }
            server.close()
            done.signal()
        }
    }

    /// How many calls it started.
    func end() -> Int {
        canceller.cancel()
        done.wait()
        return started
    }
}

/// A client that sleeps in a thread of its own, with a check interval that never comes.
private final class CallSleeper: @unchecked Sendable {
    private let done = DispatchSemaphore(value: 0)
    private var reply: [UInt8]?

    init(_ service: CallService, _ request: [UInt8], _ words: CallWords) throws {
        let client = try service.makeClient(slots: 1, waiting: .sleep, options: EndpointOptions(checkInterval: .seconds(3600)))
        Thread.detachNewThread { [self] in
            reply = try? client.call(request).array
            done.signal()
        }
        // Until it says that it sleeps.
        while sr_load_acquire_u32(sr_caller_doorbell(words.caller)) == 0 { usleep(1000) }
    }

    func reply(within seconds: Double) -> [UInt8]? { done.wait(timeout: .now() + seconds) == .success ? reply : nil }
}
