import CTestSupport
import Foundation
import SharedRing

extension Setup {
    func broadcast() throws(RingError) -> BroadcastRing {
        try BroadcastRing.openOrCreate(name, subscribers: subscribers ?? BroadcastRing.defaultSubscribers, options: options)
    }

    func subscriber() throws(RingError) -> Subscriber {
        let start: Subscriber.Start =
            switch from {
            case "now": .now
            case "oldest": .oldest
            default: .last(Int(from)!)
            }
        return try broadcast().makeSubscriber(
            isLossy ? .lossy : isDurable ? .durable : .reliable, as: subscriberName, from: start, acknowledgement: acknowledgement,
            waiting: waiting,
            options: EndpointOptions(checkInterval: checkInterval))
    }
}

extension Session {
    /// A subscriber of a broadcast that does what it is told, a line at a time.
    static func subscriber(_ setup: Setup) throws {
        var subscriber = try setup.subscriber()
        say("attached")
        var closes = false
        lines: while let line = readLine() {
            let words = line.split(separator: " ", maxSplits: 1).map(String.init)
            do throws(RingError) {
                switch words.first {
                case "next":
                    if let message = try subscriber.next(timeout: patience) {
                        say("message \(message.text)")
                    } else {
                        say("ended")
                    }
                case "take":  // and keep the view until the next line
                    if let message = try subscriber.next(timeout: patience) {
                        say("holding \(message.text)")
                        _ = readLine()
                        say("done \(message.text)")
                    } else {
                        say("ended")
                    }
                case "count":  // to the end of the stream: each message is the next number
                    var (received, wrong) = (UInt64(0), 0)
                    while true {
                        let number: UInt64?
                        do {
                            guard let message = try subscriber.next(timeout: patience) else { break }
                            number = message.integer(as: UInt64.self)
                        }
                        // What was missed before a message is counted when that message comes.
                        if number != subscriber.sentBefore.messages + subscriber.missed.messages + received { wrong += 1 }
                        received += 1
                    }
                    say("counted \(received) before \(subscriber.sentBefore.messages) missed \(subscriber.missed.messages) wrong \(wrong)")
                case "acknowledge":
                    try subscriber.acknowledge()
                    say("acknowledged")
                case "facts": say("before \(subscriber.sentBefore.messages) missed \(subscriber.missed.messages)")
                case "remove": say("removed \(try subscriber.removeRingIfUnused())")
                case "close":
                    closes = true
                    break lines
                default: others(words.first ?? "", words.count > 1 ? words[1] : "")
                }
            } catch {
                say("error \(error.code) \(error)")
            }
        }
        if closes { try subscriber.close() }
        say("closed")
    }
}
