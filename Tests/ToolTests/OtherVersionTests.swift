import Foundation
import TestSupport
import Testing

/// Rings of layout 1, which this version does not open.
@Suite(.processesOneByOne) struct OtherVersionTests {
    /// As a program of layout 1 left it.
    private func putVersion1(_ name: String, in space: Workspace) throws {
        let folder = #filePath.split(separator: "/").dropLast(2).reduce("") { $0 + "/" + $1 }
        let text = try String(contentsOfFile: folder + "/Conformance/version-1/spsc-closed.hex", encoding: .utf8)
        var lines = text.split(separator: "\n").map { $0.split(separator: " ") }
        var image = Data(count: Int(lines.removeFirst()[1])!)
        for line in lines {
            var offset = Int(line[0])!
            var digits = line[1]
            while !digits.isEmpty {
                image[offset] = UInt8(digits.prefix(2), radix: 16)!
                digits = digits.dropFirst(2)
                offset += 1
            }
        }
        try image.write(to: space.rings.appendingPathComponent(name))
    }

    @Test func listAndInfoShowIt() throws {
        let space = try Workspace()
        try putVersion1("old", in: space)
        let (end, output) = try ToolProcess.run("list", in: space)
        #expect(end == .init(status: 0, errors: ""))
        #expect(String(decoding: output, as: UTF8.self) == "old  spsc    12.0 KiB  nobody  layout 1.0\n")
        #expect(try ToolProcess.run("list", "--names", in: space).output == Data())

        let json = try ToolProcess.run("list", "--json", in: space)
        let object = try JSONSerialization.jsonObject(with: json.output) as? [String: Any]
        let others = try #require(object?["other_versions"] as? [[String: Any]])
        #expect(others.count == 1 && others[0]["name"] as? String == "old" && others[0]["layout_version"] as? String == "1.0")
        #expect(others[0]["is_in_use"] as? Bool == false && others[0]["label"] as? String == "golden")
        #expect(others[0]["name_bytes"] as? String == "6f6c64")

        let info = try ToolProcess.run("info", "old", in: space)
        #expect(info.end.status == 0)
        let text = String(decoding: info.output, as: UTF8.self)
        for fact in ["'old'", "layout   1.0", "golden", "programs of layout 1", "sharedring remove"] {
            #expect(text.contains(fact), "\(text)")
        }
    }

    @Test func sendRefusesItAndSaysWhy() throws {
        let space = try Workspace()
        try putVersion1("old", in: space)
        let (end, _) = try ToolProcess.run("send", "old", in: space, input: Data("a\n".utf8))
        #expect(end.status == 1)
        for fact in ["'old'", "version 1.0", "2.0", "sharedring remove"] { #expect(end.errors.contains(fact), "\(end.errors)") }
    }

    @Test func removeTakesItAway() throws {
        let space = try Workspace()
        try putVersion1("old", in: space)
        #expect(try ToolProcess.run("remove", "old", in: space).end == .init(status: 0, errors: ""))
        #expect(space.traces == [])
    }
}
