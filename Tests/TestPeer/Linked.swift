import Foundation
import SharedRing

/// Both ends of links.
///
///     TestPeer link-echo PATH       says "listening", then sends every client's messages back
///     TestPeer link-talk PATH       says "linked", then sends each line, and says what came back
enum Linked {
    static func echo(_ path: String) throws {
        var options = LinkOptions()
        options.ring.capacity = 1 << 16
        options.slice = .seconds(600)
        let listener = try LinkListener(path: path, options: options)
        say("listening")
        while true {
            let box = Handover(try listener.accept { say("refused \($0.code)") })
            Thread.detachNewThread {
                var link = box.value.take()!
                do {
                    while let message = try link.consumer.receive() { try link.producer.send(message) }
                    try link.close()
                    say("ended")
                } catch {
                    say("error \((error as! RingError).code)")
                }
            }
        }
    }

    static func talk(_ path: String) throws {
        var options = LinkOptions()
        options.slice = .seconds(600)
        var link = try Link.connect(path: path, options: options, timeout: patience)
        say("linked")
        while let line = readLine() {
            if line == "close" { return try link.close() }
            try link.producer.send(line)
            say(try link.consumer.next(timeout: patience)?.text ?? "(ended)")
        }
    }
}
