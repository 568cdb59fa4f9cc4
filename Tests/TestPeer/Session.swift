import CTestSupport
import Foundation
import SharedRing

/// A test gives up before its peer does, so an answer that comes only with this time's end is none.
let patience = Duration.seconds(600)

/// Seconds that a child lives that no process ends: longer than a test waits for what must happen in its life.
let childLife: UInt32 = 300

/// An endpoint that does what it is asked, a line at a time, and answers each with a line.
enum Session {
    static func producer(_ setup: Setup) throws {
        var producer = try setup.producer()
        say("attached")
        var closes = false
        lines: while let line = readLine() {
            let words = line.split(separator: " ", maxSplits: 1).map(String.init)
            let rest = words.count > 1 ? words[1] : ""
            do throws(RingError) {
                switch words.first {
                case "send":
                    try producer.send(rest, timeout: patience)
                    say("sent")
                case "fill":
                    var count = 0
                    while try producer.trySend(Array(rest.utf8)) { count += 1 }
                    say("filled \(count)")
                case "claim":
                    var claim = try producer.claim(byteCount: Int(rest)!)
                    var bytes = claim.bytes
                    for i in 0..<bytes.byteCount { bytes.storeBytes(of: 0x41, toByteOffset: i, as: UInt8.self) }
                    say("claimed")
                    if readLine() == "commit" { claim.commit() }
                    say("done")
                case "batch":
                    var batch = producer.batch()
                    for i in 0..<Int(rest)! { try batch.append(Array("batched \(i)".utf8), timeout: patience) }
                    say("appended \(batch.count)")
                    if readLine() == "commit" { batch.commit() }
                    say("done")
                case "fork":  // and leave the child alive; it ends by itself
                    say("\(ts_fork({ _ in Int32(sleep(childLife)) }, nil))")
                case "numbers":  // so many, from 0 on
                    for number in 0..<UInt64(rest)! { try producer.send(value: number, timeout: patience) }
                    say("sent")
                case "subscribers":
                    try producer.waitForSubscribers(Int(rest)!, timeout: patience)
                    say("subscribed")
                case "acknowledged":
                    try producer.waitUntilAcknowledged(timeout: patience)
                    say("acknowledged")
                case "close":
                    closes = true
                    break lines
                default: others(words.first ?? "", rest)
                }
            } catch {
                say("error \(error.code) \(error)")
            }
        }
        if closes { try producer.close() }
        say("closed")
    }

    /// Waits once, as an event loop does.
    static func watcher(_ setup: Setup) throws {
        let consumer = try setup.ring().makeConsumer(
            acknowledgement: setup.acknowledgement, waiting: setup.waiting, options: EndpointOptions(checkInterval: setup.checkInterval))
        say("attached")
        while let line = readLine(), line != "next" {
            let words = line.split(separator: " ", maxSplits: 1).map(String.init)
            others(words.first ?? "", words.dropFirst().first ?? "")
        }
        var source = try consumer.eventSource()
        var isDone = false
        while !isDone {
            var event = pollfd(fd: source.descriptor, events: Int16(POLLIN), revents: 0)
            if poll(&event, 1, 600_000) == 0 { say("nothing"); isDone = true }
            try source.drain { message in
                say("message \(message.text)")
                isDone = true
            }
        }
        try source.close()
        say("closed")
    }

    /// Of a ring for many, to the end of all streams.
    static func collector(_ setup: Setup) throws {
        var consumer = try setup.collector()
        say("attached")
        var closes = false
        lines: while let line = readLine() {
            do throws(RingError) {
                switch line {
                case "next":
                    if let message = try consumer.next(timeout: patience) { say("message \(message.text)") } else { say("ended") }
                case "acknowledge":
                    try consumer.acknowledge()
                    say("acknowledged")
                case "close":
                    closes = true
                    break lines
                default: break lines
                }
            } catch {
                say("error \(error.code) \(error)")
            }
        }
        try consumer.close()
        if closes { say("closed") }
    }

    static func consumer(_ setup: Setup) throws {
        var consumer = try setup.ring().makeConsumer(
            acknowledgement: setup.acknowledgement, waiting: setup.waiting, options: EndpointOptions(checkInterval: setup.checkInterval))
        say("attached")
        var closes = false
        lines: while let line = readLine() {
            let words = line.split(separator: " ", maxSplits: 1).map(String.init)
            do throws(RingError) {
                switch words.first {
                case "next":
                    if let message = try consumer.next(timeout: patience) {
                        say("message \(message.text)")
                    } else {
                        say("ended")
                    }
                case "take":  // and keep the view until the next line
                    if let message = try consumer.next(timeout: patience) {
                        say("holding \(message.text)")
                        _ = readLine()
                        say("done")
                        _ = message.byteCount
                    } else {
                        say("ended")
                    }
                case "acknowledge":
                    try consumer.acknowledge()
                    say("acknowledged")
                case "remove": say("removed \(try consumer.removeRingIfUnused())")
                case "close":
                    closes = true
                    break lines
                default: others(words.first ?? "", words.count > 1 ? words[1] : "")
                }
            } catch {
                say("error \(error.code) \(error)")
            }
        }
        if closes { try consumer.close() }
        say("closed")
    }

    /// What either endpoint does.
    static func others(_ word: String, _ rest: String) {
        let sleep = [strdup("sleep"), strdup("\(childLife)"), nil]
        switch word {
        case "exit": exit(0)
        case "deny":
            deny(rest)
            say("denied")
        case "spawn":  // a child that lives on and is to close nothing
            var child: pid_t = 0
            say(posix_spawn(&child, "/bin/sleep", nil, nil, sleep, nil) == 0 ? "\(child)" : "no child")
        case "exec":  // become another program, as one that is attached
            say("executing")
            execv("/bin/sleep", sleep)
            exit(2)
        case "descriptors": say("\((try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count) ?? -1)")
        default: say("what? \(word) \(rest)")
        }
    }
}
