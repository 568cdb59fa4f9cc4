@preconcurrency import Glibc
import RingBridge
import SharedRing

/// What the tests and the torture run in processes of their own.
@main
enum BridgePeer {
    static func main() {
        setvbuf(stdout, nil, Int32(_IOLBF), 0)  // what a long form says is read while it runs
        let words = Array(CommandLine.arguments.dropFirst())
        do {
            switch words.first {
            case "send": try Sender(Array(words.dropFirst())).run()
            case "receive": try Receiver(Array(words.dropFirst())).run()
            case "torture": try Torture(Array(words.dropFirst())).run()
            case "subscribe-torture": try SubscribeTorture(Array(words.dropFirst())).run()
            case "loop": try PublishLoop(Array(words.dropFirst())).run()
            case "speed": try Speed(Array(words.dropFirst())).run()
            case "outage": try Outage(Array(words.dropFirst())).run()
            default: throw Failure(text: "words: send, receive, torture, subscribe-torture, outage, speed, loop")
            }
        } catch {
            let bytes = Array("BridgePeer: \(error)\n".utf8)
            _ = bytes.withUnsafeBytes { write(2, $0.baseAddress, $0.count) }
            exit(1)
        }
        exit(0)
    }

    struct Failure: Error, CustomStringConvertible {
        let text: String
        var description: String { text }
    }
}

/// Options as `name=value`.
struct Settings {
    private let values: [String: String]

    init(_ words: [String]) throws {
        var values: [String: String] = [:]
        for word in words {
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else { throw BridgePeer.Failure(text: "'\(word)' is not name=value") }
            values[String(parts[0])] = String(parts[1])
        }
        self.values = values
    }

    func text(_ name: String, or other: String? = nil) throws -> String {
        guard let value = values[name] ?? other else { throw BridgePeer.Failure(text: "\(name)= is missing") }
        return value
    }

    func number(_ name: String, or other: Int? = nil) throws -> Int {
        guard let text = values[name] else {
            guard let other else { throw BridgePeer.Failure(text: "\(name)= is missing") }
            return other
        }
        guard let number = Int(text) else { throw BridgePeer.Failure(text: "\(name)=\(text) is no number") }
        return number
    }
}
