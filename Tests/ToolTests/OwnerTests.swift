import Foundation
import Glibc
import Testing

/// Rings of another user are used only by who asks for them.
@Suite(.enabled(if: geteuid() == 0, "giving files away needs root")) struct OwnerTests {
    @Test func anotherUsersRingIsTakenOnlyIfItIsAskedFor() throws {
        let space = try Workspace()
        #expect(try ToolProcess.run("create", "r", "--mode", "0660", in: space).end.status == 0)
        chown(space.rings.appendingPathComponent("r").path, 4711, 4711)

        let refused = try ToolProcess.run("send", "r", in: space, input: Data("x".utf8))
        #expect(refused.end.status == 1 && refused.end.errors.contains("it belongs to user 4711, this process runs as 0"))
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
}
