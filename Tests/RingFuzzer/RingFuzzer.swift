import CSharedRing
import CTestSupport
import Glibc
import SharedRing

/// An untrusted peer with write access against the library: whatever it writes, an honest end gets data or an error, and never a trap,
/// a crash or a hang.
///
///     RingFuzzer attach|board|call|running|broadcast|all [--mutations N] [--seconds S] [--seed X]
///     RingFuzzer case SEED                                     one case of `attach`, printed step by step
///
/// Batches run in child processes; the parent watches them, and says the seed of what killed or stopped one. Beside every mapping
/// of the library lies a page that may not be touched, so an access out of bounds by less than a page ends the child.
@main
struct RingFuzzer {
    static func main() {
        do throws(RingError) {
            let arguments = Array(CommandLine.arguments.dropFirst())
            switch arguments.first {
            case "case":
                guard arguments.count == 2, let seed = UInt64(arguments[1]) else { usage() }
                try AttachBatch.replay(seed)
            case "batch":
                guard let work = Batch.Work(arguments.dropFirst()) else { usage() }
                try work.run()
            default:
                guard let request = Request(arguments) else { usage() }
                exit(request.run() ? 0 : 1)
            }
        } catch {
            say("error: \(error)")
            exit(2)
        }
    }

    private static func usage() -> Never {
        say(
            "usage: RingFuzzer attach|board|call|running|broadcast|all [--mutations N] [--seconds S] [--seed X]\n       RingFuzzer case SEED"
        )
        exit(2)
    }
}
