import Foundation
import Glibc
import TestSupport
import Testing

/// A broadcast at the command line: made, sent to, subscribed to, looked at and removed.
@Suite(.processesOneByOne) struct BroadcastToolTests {
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

    @Test func aLossySubscriberSaysWhatItMissed() throws {
        let space = try Workspace()
        #expect(try ToolProcess.run("create", "news", "--broadcast", "--subscribers", "2", "--capacity", "4K", in: space).end.status == 0)
        let receiver = try ToolProcess(["receive", "news", "--lines", "--subscribe", "lossy"], in: space, outputToPipe: true)
        // It has begun once it has written something.
        let sender = try ToolProcess(["send", "news", "--lines", "--existing"], in: space, input: .pipe)
        let input = sender.input!
        let feeding = Thread { while (try? input.write(contentsOf: Data("first\n".utf8))) != nil { usleep(1000) } }
        feeding.start()
        #expect(receiver.output!.readData(ofLength: 5).count > 0)
        sender.send(SIGKILL)
        sender.end()
        while !feeding.isFinished { usleep(1000) }
        let rest = receiver.output!.readDataToEndOfFile()
        #expect(rest.allSatisfy { $0 == 10 || "first".utf8.contains($0) })
        let end = receiver.end()
        #expect(end.status == 3 && end.errors.contains("went away without closing"), "\(end)")
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

    @Test func whatDoesNotFitTogetherIsSaid() throws {
        let space = try Workspace()
        let wrong: [([String], String)] = [
            (["create", "r", "--broadcast", "--lanes", "3"], "exclude each other"),
            (["create", "r", "--subscribers", "3"], "needs '--broadcast'"),
            (["create", "r", "--broadcast", "--subscribers", "257"], "257"), (["receive", "r", "--from", "now"], "needs '--subscribe'"),
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
