import CSharedRing
import Foundation
import TestSupport
import Testing

@testable import SharedRing
@testable import TestPeer

@Suite("What reads a board gives each golden one and each malformed one its one verdict", .oneByOne, .enabled(if: sr_page_size() == 4096))
struct BoardConformanceTests {
    static let folder = ConformanceTests.folder + "/board"

    @Test("The golden boards and the manifest are what Tests/Conformance/make writes, byte for byte") func reproducible() throws {
        let place = Place()
        try BoardConformance.make(in: place.path)
        #expect(place.names == (try FileManager.default.contentsOfDirectory(atPath: Self.folder).sorted()))
        for name in place.names {
            let made = try String(contentsOfFile: place.path(name), encoding: .utf8)
            let kept = try String(contentsOfFile: "\(Self.folder)/\(name)", encoding: .utf8)
            #expect(made == kept, "\(name): run Tests/Conformance/make")
        }
    }

    @Test("Writer, reader and check") func verdicts() throws {
        let manifest = try String(contentsOfFile: Self.folder + "/manifest.tsv", encoding: .utf8)
        let rows = manifest.split(separator: "\n").dropFirst().map { $0.split(separator: "\t").map(String.init) }
        #expect(rows.count >= 27)
        let place = Place()
        for row in rows {
            var image = try Row.golden("\(Self.folder)/\(row[1]).hex")
            if row[3] != "-" {
                for edit in row[3].split(separator: ",").map({ $0.split(separator: ":") }) {
                    let (offset, bytes) = (Int(edit[0])!, Row.bytes(edit[1]))
                    image.replaceSubrange(offset..<(offset + bytes.count), with: bytes)
                }
            }
            var found: [String] = []
            for look in [write, read, check] {
                try? FileManager.default.removeItem(atPath: place.path("b"))
                try Data(image).write(to: URL(fileURLWithPath: place.path("b")))
                do throws(RingError) { found.append(try look(place.options())) } catch { found.append("\(error.code)") }
            }
            if found[2] == "damaged" || found[2] == "sound" {} else { found[2] = "damaged" }
            #expect(found == Array(row[4...6]), "\(row[0])")
        }
    }

    private func write(_ options: RingOptions) throws(RingError) -> String {
        let board = try Board.open("b", options: options)
        for key in ["rate", "mode"] {
            var writer = try board.makeWriter(key)
            try writer.set([1])
            writer.close()
        }
        return "ok"
    }

    private func read(_ options: RingOptions) throws(RingError) -> String {
        var view = try Board.open("b", options: options).makeView()
        var words: [String] = []
        for key in view.keys {
            guard let value = try view.get(key) else {
                words.append(key)
                continue
            }
            let time = value.stamp.writtenNanoseconds.map { "@\($0)" } ?? ""
            words.append("\(key)=\(value.version):\(value.tag):\(Conformance.hexadecimal(value.bytes))\(time)")
        }
        return words.joined(separator: " ")
    }

    private func check(_ options: RingOptions) throws(RingError) -> String {
        try RingCheck("b", options: options).damage.isEmpty ? "sound" : "damaged"
    }
}
