import Foundation
import Glibc
import TestSupport
import Testing

/// A broadcast at the command line: made, sent to, subscribed to, looked at and removed.
@Suite(.fewAtATime) struct BroadcastToolTests {
    private func info(_ ring: String, in space: Workspace) throws -> [String: Any] {
        let found = try ToolProcess.run("info", "--json", ring, in: space)
        if found.output.isEmpty { return [:] }  // there is no such ring yet
        return try JSONSerialization.jsonObject(with: found.output) as? [String: Any] ?? [:]
    }

    private func attached(_ ring: String, in space: Workspace) throws -> Int {
        let subscribers = try info(ring, in: space)["subscribers"] as? [[String: Any]] ?? []
        return subscribers.count { ($0["subscriber"] as? [String: Any])?["presence"] as? String == "attached" }
    }

    @Test func everySubscriberWritesEveryMessage() throws {
        let space = try Workspace()
        let receivers = try (0..<3).map { _ in
            try ToolProcess(["receive", "news", "--lines", "--subscribe", "reliable", "--capacity", "4K"], in: space)
        }
        #expect(try eventually { try attached("news", in: space) == 3 })
        let lines = numberedLines(1...5000)
        #expect(try ToolProcess.run("send", "news", "--lines", in: space, input: lines).end == .init(status: 0, errors: ""))
        for receiver in receivers {
            #expect(receiver.end() == .init(status: 0, errors: ""))
            #expect(receiver.written == lines)
        }
    }

    /// Those of the lines that are not among the numbers, and the bytes in them without newlines.
    private func missing(of numbers: [Int], in range: ClosedRange<Int>) -> (count: Int, byteCount: Int) {
        let missing = Set(range).subtracting(numbers)
        return (missing.count, missing.reduce(0) { $0 + "\($1)".utf8.count })
    }

    private func isStopped(_ process: ToolProcess) -> Bool {
        let facts = (try? String(contentsOfFile: "/proc/\(process.id)/stat", encoding: .utf8)) ?? ""
        return facts.contains(") T ")
    }

    @Test func aLossySubscriberSaysWhatItMissed() throws {
        let space = try Workspace()
        #expect(try ToolProcess.run("create", "news", "--broadcast", "--subscribers", "2", "--capacity", "4K", in: space).end.status == 0)
        let sender = try ToolProcess(["send", "news", "--lines", "--existing"], in: space, input: .pipe)
        try sender.input!.write(contentsOf: numberedLines(1...10))
        let receiver = try ToolProcess(["receive", "news", "--lines", "--subscribe", "lossy", "--from", "oldest"], in: space)
        #expect(eventually { receiver.written == numberedLines(1...10) })
        // It leaves no trace.
        let (end, stat) = try ToolProcess.run("stat", "news", in: space)
        #expect(end.status == 0 && !String(decoding: stat, as: UTF8.self).contains("subscriber 0"))
        receiver.send(SIGSTOP)
        #expect(eventually { isStopped(receiver) })
        // Many times the ring's capacity; the sender waits for none of it.
        try sender.input!.write(contentsOf: numberedLines(11...5000))
        try sender.closeInput()
        #expect(sender.end() == .init(status: 0, errors: ""))
        receiver.send(SIGCONT)
        let last = receiver.end()
        let received = numbers(receiver.written)
        #expect(isRun(Array(received.prefix(10)), from: 1, to: 10) && zip(received, received.dropFirst()).allSatisfy { $0 < $1 })
        let (count, byteCount) = missing(of: received, in: 1...5000)
        #expect(count > 4000)
        let sentence =
            "sharedring: ring 'news': missed \(count) messages of \(byteCount) bytes, which were overwritten before they were received\n"
        #expect(last == .init(status: 0, errors: sentence))
    }

    @Test func aLossySubscriberOfASenderThatWasKilledEndsWithThatStatus() throws {
        let space = try Workspace()
        #expect(try ToolProcess.run("create", "news", "--broadcast", "--capacity", "4K", in: space).end.status == 0)
        let sender = try ToolProcess(["send", "news", "--lines", "--existing"], in: space, input: .pipe)
        try sender.input!.write(contentsOf: numberedLines(1...10))
        let receiver = try ToolProcess(["receive", "news", "--lines", "--subscribe", "lossy", "--from", "oldest"], in: space)
        #expect(eventually { receiver.written == numberedLines(1...10) })
        sender.send(SIGKILL)
        sender.end()
        let end = receiver.end()
        #expect(end.status == 3 && end.errors.contains("went away without closing") && !end.errors.contains("missed"), "\(end)")
        #expect(receiver.written == numberedLines(1...10))
    }

    @Test func aTapThatIsTooLateSaysWhatItMissed() throws {
        let space = try Workspace()
        #expect(try ToolProcess.run("create", "news", "--broadcast", "--capacity", "4K", in: space).end.status == 0)
        let sender = try ToolProcess(["send", "news", "--lines", "--existing"], in: space, input: .pipe)
        try sender.input!.write(contentsOf: numberedLines(1...10))
        let tap = try ToolProcess(["tap", "news"], in: space)
        #expect(eventually { tap.written == numberedLines(1...10) })
        tap.send(SIGSTOP)
        #expect(eventually { isStopped(tap) })
        try sender.input!.write(contentsOf: numberedLines(11...5000))
        try sender.closeInput()
        #expect(sender.end() == .init(status: 0, errors: ""))
        tap.send(SIGCONT)
        #expect(eventually { tap.errors.contains("missed") })
        tap.send(SIGINT)
        let end = tap.end()
        let shown = numbers(tap.written)
        #expect(isRun(Array(shown.prefix(10)), from: 1, to: 10) && zip(shown, shown.dropFirst()).allSatisfy { $0 < $1 })
        let count = missing(of: shown, in: 1...5000).count
        #expect(count > 4000)
        #expect(end.status == 0 && end.errors.hasSuffix("headers included\n"))
        let sum = end.errors.split(separator: "\n").last ?? ""
        #expect(sum.hasPrefix("sharedring: ring 'news': missed \(count) messages, which were overwritten"), "\(end)")
    }

    @Test func patienceIsForBroadcastsOnly() throws {
        let space = try Workspace()
        let none = try ToolProcess.run("send", "news", "--patience", "1s", in: space).end
        #expect(none.status == 1 && none.errors.contains("there is no broadcast 'news', and '--patience' is for broadcasts"), "\(none)")
        #expect(space.traces == [], "no ring was made that could have no use for it")
        #expect(try ToolProcess.run("create", "plain", in: space).end.status == 0)
        let plain = try ToolProcess.run("send", "plain", "--patience", "1s", in: space).end
        #expect(plain.status == 1 && plain.errors.contains("'plain' is no broadcast but of kind spsc"), "\(plain)")
    }

    @Test func aLateSubscriberGetsTheLastOnes() throws {
        let space = try Workspace()
        #expect(try ToolProcess.run("create", "news", "--broadcast", in: space).end.status == 0)
        #expect(try ToolProcess.run("send", "news", "--lines", in: space, input: numberedLines(1...100)).end.status == 0)
        for (place, wanted) in [("last:3", numberedLines(98...100)), ("oldest", numberedLines(1...100))] {
            let found = try ToolProcess.run("receive", "news", "--lines", "--subscribe", "lossy", "--from", place, in: space)
            #expect(found.output == wanted, "\(found.end)")
            #expect(found.end.status == 0)
        }
        #expect(space.traces == ["news"], "a ring that was created stays")
    }

    @Test func aDurableSubscriberGetsWhatWasSentWhileItWasAwayUntilItIsRemoved() throws {
        let space = try Workspace()
        #expect(try ToolProcess.run("create", "news", "--broadcast", in: space).end.status == 0)
        let receive = ["receive", "news", "--lines", "--subscribe", "durable", "--as", "audit", "--keep", "--timeout", "100ms"]
        // It comes, and finds no sender.
        _ = try ToolProcess(receive, in: space).end()
        #expect(try ToolProcess.run("send", "news", "--lines", in: space, input: numberedLines(1...5)).end.status == 0)
        let shown = String(decoding: try ToolProcess.run("info", "news", in: space).output, as: UTF8.self)
        #expect(shown.contains("subscriber 0 'audit'") && shown.contains("durable, head"), "\(shown)")
        let subscribers = try info("news", in: space)["subscribers"] as? [[String: Any]] ?? []
        #expect(subscribers.first?["name"] as? String == "audit" && subscribers.first?["durable"] as? Bool == true)
        let found = try ToolProcess.run("receive", "news", "--lines", "--subscribe", "durable", "--as", "audit", in: space)
        #expect(found.output == numberedLines(1...5), "\(found.end)")
        #expect(try ToolProcess.run("remove", "news", "--subscriber", "other", in: space).end.errors.contains("'other'"))
        #expect(try ToolProcess.run("remove", "news", "--subscriber", "audit", in: space).end == .init(status: 0, errors: ""))
        #expect(try ToolProcess.run("remove", "news", "--subscriber", "audit", in: space).end.status != 0)
        #expect(space.traces == ["news"], "the ring stays")
    }

    @Test func aSoftGateIsShownAndHoldsItsSenderUpNoLongerThanThatHasPatience() throws {
        let space = try Workspace()
        #expect(try ToolProcess.run("create", "news", "--broadcast", "--capacity", "4K", in: space).end.status == 0)
        let receiver = try ToolProcess(["receive", "news", "--lines", "--subscribe", "soft"], in: space)
        #expect(try eventually { try attached("news", in: space) == 1 })
        receiver.send(SIGSTOP)
        // Many times the ring's capacity.
        let sent = try ToolProcess.run(
            "send", "news", "--lines", "--existing", "--patience", "1ms", in: space, input: numberedLines(1...5000))
        #expect(sent.end == .init(status: 0, errors: ""))
        let shown = String(decoding: try ToolProcess.run("info", "news", in: space).output, as: UTF8.self)
        #expect(shown.contains("soft gate, missed"), "\(shown)")
        receiver.send(SIGCONT)
        let end = receiver.end()
        #expect(end.status == 0 && end.errors.contains("missed"), "\(end)")
    }

    @Test func whatDoesNotFitTogetherIsSaid() throws {
        let space = try Workspace()
        let wrong: [([String], String)] = [
            (["create", "r", "--broadcast", "--lanes", "3"], "exclude each other"),
            (["create", "r", "--subscribers", "3"], "needs '--broadcast'"),
            (["create", "r", "--broadcast", "--subscribers", "257"], "257"), (["receive", "r", "--from", "now"], "needs '--subscribe'"),
            (["receive", "r", "--as", "x"], "needs '--subscribe'"),
            (["receive", "r", "--subscribe", "durable"], "needs '--as'"),
            (["receive", "r", "--subscribe", "lossy", "--as", "x"], "no place to come back to"),
            (["receive", "r", "--subscribe", "reliable", "--as", String(repeating: "n", count: 65)], "1 to 64 bytes"),
            (["remove", "--stale", "--subscriber", "x"], "exclude each other"),
            (["receive", "r", "--subscribe", "maybe"], "maybe"), (["receive", "r", "--subscribe", "lossy", "--from", "last:x"], "last:x"),
            (["receive", "r", "--subscribe", "lossy", "--lanes", "2"], "exclude each other"),
        ]
        for (words, reason) in wrong {
            let end = try ToolProcess(words, in: space).end()
            #expect(end.status == 2 && end.errors.contains(reason), "\(words): \(end)")
        }
        #expect(space.traces == [])
        #expect(try ToolProcess.run("create", "r", in: space).end.status == 0)
        let end = try ToolProcess.run("receive", "r", "--subscribe", "reliable", in: space).end
        #expect(end.status == 1 && end.errors.contains("nothing to subscribe to"), "\(end)")
    }

    @Test func infoListStatAndCheckShowTheSubscribers() throws {
        let space = try Workspace()
        let receiver = try ToolProcess(["receive", "news", "--lines", "--subscribe", "reliable", "--capacity", "4K"], in: space)
        #expect(try eventually { try attached("news", in: space) == 1 })
        receiver.send(SIGSTOP)
        let sender = try ToolProcess(["send", "news", "--lines"], in: space, input: .data(numberedLines(1...5000)))
        #expect(
            try eventually {
                let subscribers = try info("news", in: space)["subscribers"] as? [[String: Any]] ?? []
                return subscribers.first?["holds_publisher_up"] as? Bool == true
            })
        func text(_ words: String...) throws -> String {
            let process = try ToolProcess(words, in: space)
            #expect(process.end().status == 0)
            return String(decoding: process.written, as: UTF8.self)
        }
        let shown = try text("info", "news")
        #expect(shown.contains("broadcast, room for 64 reliable subscribers") && shown.contains("publisher"), "\(shown)")
        #expect(
            shown.contains("subscriber 0") && shown.contains("process \(receiver.id)") && shown.contains("holds the publisher up"),
            "\(shown)")
        #expect(try text("list").contains("publisher, 1 subscriber"))
        let rates = try text("stat", "news")
        #expect(rates.contains("subscriber 0") && rates.contains("holds the publisher up"), "\(rates)")
        let check = try text("check", "news")
        #expect(check.contains("in use") && check.contains("next subscriber  takes place 1"), "\(check)")
        let end = try ToolProcess.run("remove", "news", in: space).end
        #expect(end.status == 1 && end.errors.contains("as subscriber 0"), "\(end)")
        receiver.send(SIGCONT)
        #expect(sender.end().status == 0)
        #expect(receiver.end().status == 0)
        #expect(receiver.written == numberedLines(1...5000))
    }

    @Test func aTapShowsABroadcastAndTakesNothing() throws {
        let space = try Workspace()
        #expect(try ToolProcess.run("create", "news", "--broadcast", in: space).end.status == 0)
        #expect(try ToolProcess.run("send", "news", "--lines", in: space, input: numberedLines(1...20)).end.status == 0)
        let found = try ToolProcess.run("tap", "news", "--seconds", "0", in: space)
        #expect(found.end.status == 0)
        #expect(found.output.starts(with: numberedLines(1...20)), "\(String(decoding: found.output, as: UTF8.self))")
    }

    @Test func aBroadcastThatNobodyUsesAnyMoreIsStale() throws {
        let space = try Workspace()
        let receiver = try ToolProcess(["receive", "news", "--lines", "--subscribe", "reliable"], in: space)
        #expect(try eventually { try attached("news", in: space) == 1 })
        #expect(try ToolProcess.run("remove", "--stale", in: space).end.status == 0)
        #expect(space.traces == ["news"])
        receiver.send(SIGKILL)
        receiver.end()
        #expect(try ToolProcess.run("remove", "--stale", in: space).end.status == 0)
        #expect(space.traces == [])
    }
}
