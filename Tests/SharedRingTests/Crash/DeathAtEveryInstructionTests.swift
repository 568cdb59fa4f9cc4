import CTestSupport
import Foundation
import TestSupport
import Testing

/// Runs `CrashPeer`, which steps through operations of a real process and tries, at each point where memory changed and
/// around each system call, what comes after its death there. It takes minutes: `.ci/run crash` does the same with the release build, which ships.
@Suite(
    .oneByOne, .enabled(if: ts_trace_offered() == 1, "this system does not let a process trace its children"),
    .enabled(if: soakFactor > 1, "with SHAREDRING_SOAK_SECONDS above 1, or .ci/run crash"),
    .serialized)
struct DeathAtEveryInstructionTests {
    @Test(arguments: DeathRow.all)
    func holds(_ row: DeathRow) throws {
        let executable = (Peer.executable as NSString).deletingLastPathComponent + "/CrashPeer"
        let peer = try Peer(["short"] + row.situations, executable: executable)
        var lines: [String] = []
        while let line = try? peer.line() { lines.append(line) }
        let status = try peer.wait()
        #expect(status == 0, "\(lines.joined(separator: "\n"))")
        // The last line sums up: situations, instructions, changes, calls, images, …
        let sums = lines.last?.split(separator: " ").compactMap { Int($0) } ?? []
        #expect(sums.count == 8 && sums[0] >= row.situations.count && sums[4] > 0, "\(lines)")
    }
}
