import CTestSupport
import Foundation
import Testing

/// Runs `CrashPeer`, which steps through operations of a real process and tries, at each point where memory changed and
/// around each system call, what comes after its death there. In a release build, since that is what ships, and since it takes minutes otherwise.
@Suite(
    .enabled(if: ts_trace_offered() == 1, "this system does not let a process trace its children"),
    .enabled(
        if: isOptimised || soakFactor > 1, "in a release build, or with SHAREDRING_SOAK_SECONDS above 1; .ci/run release, .ci/run crash"),
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
