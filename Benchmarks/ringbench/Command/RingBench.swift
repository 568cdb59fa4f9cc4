import CBench
import Glibc
import SharedRing

@main
struct RingBench {
    static func main() {
        cb_choose_clock()
        let arguments = Array(CommandLine.arguments.dropFirst())
        do {
            if arguments.first == Processes.peerWord {
                try Processes.servePeer(Array(arguments.dropFirst()))
            } else if arguments.first == CrowdProcesses.peerWord {
                try CrowdProcesses.servePeer(Array(arguments.dropFirst()))
            } else {
                try run(try Options(arguments))
            }
        } catch let misuse as Misuse {
            printError("ringbench: \(misuse.sentence)")
            exit(2)
        } catch let failure as Failure {
            printError("ringbench: \(failure.sentence)")
            exit(1)
        } catch {
            printError("ringbench: \(error)")
            exit(1)
        }
    }

    private static func run(_ options: Options) throws {
        if options.help {
            print(Options.help)
            return
        }
        if options.hugePages { throw Failure("rings can't lie in huge pages yet") }
        cb_watch_children()
        let survey = try Survey(options)
        let report = Report(options)
        report.printHeader()
        let results = try survey.measure { report.printProgress($0, $1) }
        report.print(results)
    }
}
