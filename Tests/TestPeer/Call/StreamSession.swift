import Foundation
import SharedRing

/// A server or a client of a call service with streams that obeys lines on its standard input and answers each with a line.
enum StreamSession {
    /// `serve` (answers each request `COUNT SIZE` with so many parts of that size, and `end`, until it is killed), `next` (starts a call), `open` (its stream), `part
    /// TEXT`, `parts COUNT` (numbered, waiting for room), `fill` (as many as there is room for), `finish TEXT`, `drop`, `stopped`, `close`.
    static func server(_ setup: Setup) throws {
        let service = try setup.callService()
        var server = try service.makeServer(waiting: setup.waiting, options: EndpointOptions(checkInterval: setup.checkInterval))
        say("attached")
        var held: DeferredCall?
        var writer: CallStreamWriter?
        while let line = readLine() {
            let words = line.split(separator: " ", maxSplits: 1).map(String.init)
            let rest = words.count > 1 ? words[1] : ""
            var count = 0
            do {
                switch words.first {
                case "serve":
                    say("serving")
                    try server.serve { request, answer in
                        var stream = try answer.stream()
                        let numbers = request.text.split(separator: " ").compactMap { Int($0) }
                        for number in 0..<numbers[0] { try stream.send(part(number, numbers[1])) }
                        try stream.finish("end")
                    }
                case "next":
                    let call = try server.next(timeout: patience).deferred()
                    say("call \(call.text)\(call.wantsStream ? " stream" : "")")
                    held = call
                case "open":
                    writer = try held!.stream()
                    held = nil
                    say("open")
                case "part":
                    try writer!.send(rest, timeout: patience)
                    say("sent")
                case "parts":
                    for number in 0..<Int(rest)! {
                        try writer!.send("\(number)", timeout: patience)
                        count += 1
                    }
                    say("sent \(count)")
                case "fill":
                    while try writer!.trySend(Array("\(count)".utf8)) { count += 1 }
                    say("full \(count)")
                case "finish":
                    try writer.take()!.finish(rest)
                    say("finished")
                case "drop":
                    writer = nil
                    held = nil
                    say("dropped")
                case "stopped": say(isStopped(writer) ? "yes" : "no")
                case "close":
                    server.close()
                    return say("closed")
                default: say("what?")
                }
            } catch let error as RingError {
                say("\(error.code) after \(count)")
            }
        }
    }

    private static func text(_ stream: borrowing CallStream?) -> String {
        switch stream {
        case .some(let stream): stream.text
        case .none: "none"
        }
    }

    private static func isStopped(_ writer: borrowing CallStreamWriter?) -> Bool {
        switch writer {
        case .some(let writer): writer.isStopped
        case .none: false
        }
    }

    /// The number, and bytes that follow from it.
    static func part(_ number: Int, _ size: Int) -> [UInt8] { (0..<size).map { UInt8(truncatingIfNeeded: number &* 31 &+ $0) } }

    /// `open TEXT`, `next`, `all` (to the end), `stop`, `streams COUNT` (so many, one after another, each of which must be whole).
    static func client(_ setup: Setup) throws {
        let service = try setup.callService()
        let client = try service.makeClient(slots: 1, waiting: setup.waiting, options: EndpointOptions(checkInterval: setup.checkInterval))
        say("attached")
        var stream: CallStream?
        while let line = readLine() {
            let words = line.split(separator: " ", maxSplits: 1).map(String.init)
            let rest = words.count > 1 ? words[1] : ""
            var count = 0
            do throws(CallError) {
                switch words.first {
                case "open":
                    stream = try client.stream(rest, timeout: patience)
                    say("opened")
                case "next":
                    if try stream!.next() { say("part \(text(stream))") } else { say("end \(stream!.takeReply()!.text)") }
                case "all":
                    while try stream!.next() {
                        let found = text(stream)
                        if found != "\(count)" { say("another part: \(found), not \(count)") }
                        count += 1
                    }
                    say("\(count) parts, end \(stream!.takeReply()!.text)")
                case "stop":
                    stream = nil
                    say("stopped")
                case "streams":
                    for turn in 0..<Int(rest)! {
                        let (parts, size) = (turn % 50, turn * 7 % 120)
                        var stream = try client.stream("\(parts) \(size)", timeout: patience)
                        var number = 0
                        while try stream.next() {
                            guard stream.array == part(number, size) else { return say("another part: \(stream.array)") }
                            number += 1
                        }
                        guard number == parts, stream.takeReply()?.text == "end" else { return say("\(number) parts of \(parts)") }
                    }
                    say("streamed")
                default: say("what?")
                }
            } catch {
                say("\(count) parts, \(error.outcome): \(error.reason.code)")
            }
        }
    }
}
