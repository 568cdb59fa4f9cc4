import BenchReport
import CBench
import Glibc

@main
struct RingBench {
    static func main() {
        cb_choose_clock()
        let words = Array(CommandLine.arguments.dropFirst())
        do {
            switch words.first {
            case Processes.peerWord: try Processes.servePeer(Array(words.dropFirst()))
            case ManyProducersProcesses.peerWord: try ManyProducersProcesses.servePeer(Array(words.dropFirst()))
            case BoardBench.peerWord: try BoardPeer.serve(Array(words.dropFirst()))
            case CallBench.peerWord: try CallPeer.serve(Array(words.dropFirst()))
            case "call": try CallBench(Array(words.dropFirst())).perform()
            case "board": try BoardBench(Array(words.dropFirst())).perform()
            case FanoutPeer.peerWord: try FanoutPeer.serve(Array(words.dropFirst()))
            case "fanout": try FanoutBench(Array(words.dropFirst())).perform()
            case "compare": try Recorded.compare(Array(words.dropFirst()))
            case "report": try Recorded.report(Array(words.dropFirst()))
            default: try run(try Options(words))
            }
        } catch let misuse as Misuse {
            fail(misuse.sentence, 2)
        } catch let failure as Failure {
            fail(failure.sentence, 1)
        } catch let error as ResultsError {
            fail(error.sentence, 1)
        } catch {
            fail("\(error)", 1)
        }
    }

    private static func fail(_ sentence: String, _ status: Int32) -> Never {
        printError("ringbench: \(sentence)")
        exit(status)
    }

    private static func run(_ options: Options) throws {
        if options.help { return print(Help.text) }
        cb_watch_children()
        try Run(options).perform()
    }
}
