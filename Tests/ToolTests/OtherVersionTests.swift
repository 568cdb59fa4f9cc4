import Foundation
import TestSupport
import Testing

/// Rings that this version does not open: of layout 1, and of its own with a kind or a feature that it does not know.
@Suite(.fewAtATime) struct OtherVersionTests {
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
        #expect(String(decoding: output, as: UTF8.self) == "old  spsc    12.0 KiB  -  layout 1.0\n")
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

    /// A ring of this version, whose header a later program could have written.
    private func putLater(_ name: String, in space: Workspace, kind: UInt32) throws {
        #expect(try ToolProcess.run("create", name, in: space).end.status == 0)
        let file = try FileHandle(forUpdating: space.rings.appendingPathComponent(name))
        var header = try #require(try file.read(upToCount: 512))
        header[10] = 7  // the minor version
        header[28] = UInt8(kind)
        header.replaceSubrange(504..<512, with: withUnsafeBytes(of: checksum(header.prefix(504)).littleEndian) { Data($0) })
        try file.seek(toOffset: 0)
        try file.write(contentsOf: header)
    }

    /// FNV-1a.
    private func checksum(_ bytes: Data) -> UInt64 { bytes.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 } }

    @Test func anUnknownKindIsListedNamedAndRemoved() throws {
        let space = try Workspace()
        try putLater("next", in: space, kind: 6)
        let list = String(decoding: try ToolProcess.run("list", in: space).output, as: UTF8.self)
        #expect(list.hasPrefix("next  kind 6 ") && list.contains("-  its kind is 6, which this program does not know"), "\(list)")
        let json = try JSONSerialization.jsonObject(with: ToolProcess.run("list", "--json", in: space).output) as? [String: Any]
        let others = try #require(json?["other_versions"] as? [[String: Any]])
        #expect(others.count == 1 && others[0]["kind"] as? String == "kind 6" && others[0]["layout_version"] as? String == "2.7")
        #expect((others[0]["detail"] as? String)?.contains("its kind is 6") == true)
        let info = String(decoding: try ToolProcess.run("info", "next", in: space).output, as: UTF8.self)
        for fact in ["'next', which this program can't use", "2.7", "its kind is 6", "in use   no", "sharedring remove"] {
            #expect(info.contains(fact), "\(info)")
        }
        let (end, _) = try ToolProcess.run("receive", "next", in: space)
        #expect(end.status == 1 && end.errors.contains("its kind is 6"), "\(end.errors)")
        #expect(try ToolProcess.run("remove", "next", in: space).end == .init(status: 0, errors: ""))
        #expect(space.traces == [])
    }
}
