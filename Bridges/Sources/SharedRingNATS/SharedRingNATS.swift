import Glibc
import RingBridge
import SharedRing

/// Carries rings into streams of NATS JetStream, and streams into rings.
@main
enum SharedRingNATS {
    static func main() {
        signal(SIGPIPE, SIG_IGN)
        let words = Array(CommandLine.arguments.dropFirst())
        do {
            switch words.first {
            case "publish": try PublishCommand(Array(words.dropFirst())).run()
            case "subscribe": try SubscribeCommand(Array(words.dropFirst())).run()
            case "make-stream": try MakeStreamCommand(Array(words.dropFirst())).run()
            case "--help", "-h", "help": print(Help.text)
            case nil: throw Arguments.Failure(text: "a command is missing")
            case let word?: throw Arguments.Failure(text: "there is no command '\(word)'")
            }
        } catch let failure as Arguments.Failure {
            fail(2, "\(failure.text); see sharedring-nats --help")
        } catch let error as BridgeError {
            fail(status(of: error), error.description)
        } catch let error as RingError {
            fail(1, error.description)
        } catch {
            fail(1, "\(error)")
        }
        exit(0)
    }

    private static func status(of error: BridgeError) -> Int32 {
        switch error.code {
        case .usage: 2
        case .unfinished: 3
        default: 1
        }
    }

    static func fail(_ status: Int32, _ text: String) -> Never {
        writeError("sharedring-nats: \(text)\n")
        exit(status)
    }
}
