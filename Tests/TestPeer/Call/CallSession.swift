import Foundation
import SharedRing

/// A server or a client of a call service that obeys lines on its standard input and answers each with a line.
enum CallSession {
    /// `echo` (answers every call with its request, until it is killed), `next` (starts a call), `answer TEXT`, `refuse TEXT` and `drop` (of the call started
    /// first), `given-up` (whether that call's client has given it up), `token` (of that call), `close`.
    static func server(_ setup: Setup) throws {
        let service = try setup.callService()
        var server = try service.makeServer(waiting: setup.waiting, options: EndpointOptions(checkInterval: setup.checkInterval))
        say("attached")
        var held: [DeferredCall] = []
        while let line = readLine() {
            let words = line.split(separator: " ", maxSplits: 1).map(String.init)
            let rest = words.count > 1 ? words[1] : ""
            do {
                switch words.first {
                case "echo":
                    say("echoing")
                    try server.serve { request, answer in try answer.reply(request.bytes) }
                case "next":
                    let call = try server.next(timeout: patience).deferred()
                    held.append(call)
                    say("call \(call.text)\(call.isRetry ? " again" : "")")
                case "answer":
                    try held.removeFirst().reply(rest)
                    say("answered")
                case "refuse":
                    try held.removeFirst().refuse(Array(rest.utf8))
                    say("refused")
                case "drop":
                    held.removeFirst()
                    say("dropped")
                case "given-up": say(held.first?.isGivenUp == true ? "yes" : "no")
                case "token": say(held.first.map { "\($0.token)" } ?? "none")
                case "close":
                    server.close()
                    return say("closed")
                default: say("what?")
                }
            } catch {
                say("error \(error)")
            }
        }
    }

    /// `call TEXT` (with patience), `try MILLISECONDS TEXT`, `calls COUNT` (so many numbers, each of which must come back), `open` (how many slots are in use).
    static func client(_ setup: Setup) throws {
        let service = try setup.callService()
        let client = try service.makeClient(
            slots: 1, waiting: setup.waiting, options: EndpointOptions(checkInterval: setup.checkInterval))
        say("attached")
        while let line = readLine() {
            let words = line.split(separator: " ", maxSplits: 1).map(String.init)
            let rest = words.count > 1 ? words[1] : ""
            do throws(CallError) {
                switch words.first {
                case "call": say("replied \(try client.call(rest, timeout: patience).text)")
                case "try":
                    let parts = rest.split(separator: " ", maxSplits: 1).map(String.init)
                    say("replied \(try client.call(parts[1], timeout: .milliseconds(Int(parts[0])!)).text)")
                case "calls":
                    for number in 0..<UInt64(rest)! {
                        let reply = try client.call(withBytes(number), timeout: patience)
                        guard reply.value(as: UInt64.self) == number else { return say("another reply: \(reply.array)") }
                    }
                    say("called")
                default: say("what?")
                }
            } catch {
                say("\(error.outcome): \(error.reason.code)\(error.refusal.isEmpty ? "" : " \(error.refusalText)")")
            }
        }
    }

    private static func withBytes(_ number: UInt64) -> [UInt8] { withUnsafeBytes(of: number) { Array($0) } }
}

extension Setup {
    func callService() throws(RingError) -> CallService {
        if let descriptor { return try CallService.open(descriptor: descriptor, options: options) }
        return try CallService.open(name, options: options)
    }
}
