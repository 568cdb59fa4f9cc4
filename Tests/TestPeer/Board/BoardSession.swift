import Foundation
import SharedRing

/// A writer or reader of a board's entry that obeys lines on its standard input and answers each with a line.
enum BoardSession {
    /// `set TEXT`, `fill COUNT` (so many values of one letter each, larger and larger), `close`.
    static func writer(_ setup: Setup, key: String) throws {
        let board = try setup.board()
        var writer = try board.makeWriter(key)
        say("attached")
        while let line = readLine() {
            let words = line.split(separator: " ", maxSplits: 1).map(String.init)
            do throws(RingError) {
                switch words.first {
                case "set": say("version \(try writer.set(words.count > 1 ? words[1] : ""))")
                case "close":
                    writer.close()
                    return say("closed")
                default: say("what?")
                }
            } catch {
                say("error \(error.code) \(error)")
            }
        }
    }

    /// `get`, `next` (waits for a newer value), `try-set` (sets the entry once, without waiting for it). With `user=ID` as that user.
    static func reader(_ setup: Setup, key: String) throws {
        for argument in CommandLine.arguments where argument.hasPrefix("user=") {
            guard let user = UInt32(argument.dropFirst(5)), setuid(user) == 0 else { return say("error: not that user") }
        }
        let board = try setup.board()
        var reader = try board.makeReader(
            key, waiting: setup.waiting, polling: setup.checkInterval, options: EndpointOptions(checkInterval: setup.checkInterval))
        say("attached")
        say(reader.isWoken ? "woken" : "polls")
        while let line = readLine() {
            do throws(RingError) {
                switch line {
                case "get":
                    if let value = try reader.get() { say("\(value.version) \(value.text)") } else { say("nothing") }
                case "next":
                    let value = try reader.next(timeout: patience)
                    say("\(value.version) \(value.text)")
                case "try-set": say("version \(try board.set(key, to: "x", timeout: .zero) ?? 0)")
                default: say("what?")
                }
            } catch {
                say("error \(error.code) \(error)")
            }
        }
    }
}

extension Setup {
    func board() throws(RingError) -> Board {
        if let descriptor { return try Board.open(descriptor: descriptor, options: options) }
        return try Board.open(name, options: options)
    }
}
