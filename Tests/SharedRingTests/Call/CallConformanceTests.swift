import CSharedRing
import Foundation
import TestSupport
import Testing

@testable import SharedRing
@testable import TestPeer

@Suite("What reads calls gives each golden segment and each malformed one its one verdict", .oneByOne, .enabled(if: sr_page_size() == 4096))
struct CallConformanceTests {
    static let folder = ConformanceTests.folder + "/call"

    @Test("The golden segments and the manifest are what Tests/Conformance/make writes, byte for byte") func reproducible() throws {
        let place = Place()
        try CallConformance.make(in: place.path)
        #expect(place.names == (try FileManager.default.contentsOfDirectory(atPath: Self.folder).sorted()))
        for name in place.names {
            let made = try String(contentsOfFile: place.path(name), encoding: .utf8)
            let kept = try String(contentsOfFile: "\(Self.folder)/\(name)", encoding: .utf8)
            #expect(made == kept, "\(name): run Tests/Conformance/make")
        }
    }

    @Test("Server, client and check") func verdicts() throws {
        let manifest = try String(contentsOfFile: Self.folder + "/manifest.tsv", encoding: .utf8)
        let rows = manifest.split(separator: "\n").dropFirst().map {
            $0.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
        }
        #expect(rows.count >= 25)
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
            for look in [serve, call, check] {
                try? FileManager.default.removeItem(atPath: place.path("c"))
                try Data(image).write(to: URL(fileURLWithPath: place.path("c")))
                do throws(RingError) { found.append(try look(place.options())) } catch { found.append("\(error.code)") }
            }
            #expect(found == Array(row[4...6]), "\(row[0])")
        }
    }

    private func serve(_ options: RingOptions) throws(RingError) -> String {
        var server = try CallService.open("c", options: options).makeServer()
        var words: [String] = []
        while let request = try server.nextIfAvailable() {
            words.append(request.text)
            try request.reply("ok")
        }
        return words.joined(separator: " ")
    }

    private func call(_ options: RingOptions) throws(RingError) -> String {
        let client = try CallService.open("c", options: options).makeClient(slots: 1)
        do throws(CallError) { return try client.call("x", timeout: .zero).text } catch {
            guard error.outcome == .notExecuted else { return "\(error.outcome)" }
            return error.token == nil ? "slot in use" : "not executed"
        }
    }

    private func check(_ options: RingOptions) throws(RingError) -> String {
        try RingCheck("c", options: options).damage.isEmpty ? "sound" : "damaged"
    }
}
