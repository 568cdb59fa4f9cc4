import Foundation
import Glibc
import TestSupport
import Testing

/// Rings of another user are used only by who asks for them.
@Suite(.fewAtATime, .enabled(if: geteuid() == 0, "giving files away needs root")) struct OwnerTests {
    @Test func anotherUsersRingIsTakenOnlyIfItIsAskedFor() throws {
        let space = try Workspace()
        #expect(try ToolProcess.run("create", "r", "--mode", "0660", in: space).end.status == 0)
        chown(space.rings.appendingPathComponent("r").path, 4711, 4711)

        let refused = try ToolProcess.run("send", "r", in: space, input: Data("x".utf8))
        #expect(refused.end.status == 1 && refused.end.errors.contains("it belongs to user 4711, this process runs as 0"))
        #expect(refused.end.errors.contains("; '--owner 4711' takes it"))
        #expect(try ToolProcess.run("list", in: space).output == Data())
        for command in ["info", "check", "remove"] { #expect(try ToolProcess.run(command, "r", in: space).end.status == 1) }
        #expect(try ToolProcess.run("check", "r", "--owner", "root", in: space).end.status == 1)

        for owner in ["4711", "anyone"] {
            #expect(try ToolProcess.run("send", "r", "--owner", owner, in: space, input: Data("x".utf8)).end.status == 0)
            #expect(try ToolProcess.run("receive", "r", "--owner", owner, in: space).output == Data("x".utf8))
            #expect(try ToolProcess.run("list", "--owner", owner, in: space).output.isEmpty == false)
            for command in ["info", "check"] { #expect(try ToolProcess.run(command, "r", "--owner", owner, in: space).end.status == 0) }
        }
        #expect(try ToolProcess.run("remove", "--stale", in: space).end.status == 0)
        #expect(space.traces == ["r"])
        #expect(try ToolProcess.run("remove", "--stale", "--owner", "anyone", in: space).end.status == 0)
        #expect(space.traces == [])
    }

    /// As in /dev/shm: everything was delivered, so the status is 0, though only the owner can remove the ring.
    @Test func aRingThatCantBeRemovedInTheEndIsNoFailure() throws {
        let space = try Workspace()
        chmod(space.rings.path, 0o1777)
        #expect(try ToolProcess.run("send", "r", in: space, input: Data("abc".utf8)).end.status == 0)
        let ring = space.rings.appendingPathComponent("r").path
        chmod(ring, 0o666)
        chown(ring, 4711, 4711)

        // The build's directory need not be open to every user.
        chmod(space.scratch.path, 0o755)
        let tool = space.scratch.appendingPathComponent("tool").path
        try FileManager.default.copyItem(atPath: ToolProcess.path, toPath: tool)
        chmod(tool, 0o755)
        let (end, output) = try ToolProcess.shell(
            "setpriv --reuid 4712 --regid 4712 --clear-groups '\(tool)' receive r --owner 4711", in: space)
        #expect(end.status == 0 && output == Data("abc".utf8))
        #expect(end.errors.contains("everything was received; the ring stays") && end.errors.contains("Operation not permitted"))
        #expect(space.traces.contains("r"))
        // Its end was acknowledged.
        let next = try ToolProcess.run("receive", "r", "--owner", "4711", "--timeout", "1ms", in: space)
        #expect(next.end.status == 4 && next.output.isEmpty)
    }
}
