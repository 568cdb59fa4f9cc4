import CSharedRing
import Foundation
import TestSupport
import Testing

@testable import SharedRing
@testable import TestPeer

/// A row of `Tests/Conformance/manifest.tsv`: a segment, and the one verdict on it.
struct Row {
    let name: String
    let base: String
    let size: Int
    let edits: [(offset: Int, bytes: [UInt8])]
    let verdict: [String]

    init(_ line: Substring) {
        let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
        name = fields[0]
        base = fields[1]
        size = Int(fields[2])!
        edits =
            fields[3] == "-"
            ? []
            : fields[3].split(separator: ",").map {
                let parts = $0.split(separator: ":")
                return (Int(parts[0])!, Row.bytes(parts[1]))
            }
        verdict = Array(fields[4...8])
    }

    static func bytes(_ text: some StringProtocol) -> [UInt8] {
        let digits = text.utf8.map { UInt8($0 < 0x3a ? $0 - 0x30 : $0 - 0x57) }
        return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }

    /// What the files in `folder` say of it.
    func image(in folder: String) throws -> [UInt8] {
        var image = try Self.golden("\(folder)/\(base).hex")
        let whole = image.count
        for edit in edits { image.replaceSubrange(edit.offset..<(edit.offset + edit.bytes.count), with: edit.bytes) }
        return Array((image + [UInt8](repeating: 0, count: max(0, size - whole))).prefix(size))
    }

    /// The segment of a golden file.
    static func golden(_ path: String) throws -> [UInt8] {
        let text = try String(contentsOfFile: path, encoding: .utf8)
        var lines = text.split(separator: "\n")
        let whole = Int(lines.removeFirst().dropFirst("size ".count))!
        var image = [UInt8](repeating: 0, count: whole)
        for line in lines.map({ $0.split(separator: " ") }) {
            let (offset, bytes) = (Int(line[0])!, Row.bytes(line[1]))
            image.replaceSubrange(offset..<(offset + bytes.count), with: bytes)
        }
        return image
    }
}

@Suite("What reads a segment gives each golden one and each malformed one its one verdict", .oneByOne, .enabled(if: sr_page_size() == 4096))
struct ConformanceTests {
    static let folder = #filePath.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 } + "/Conformance"

    @Test("The golden segments and the manifest are what Tests/Conformance/make writes, byte for byte") func reproducible() throws {
        let place = Place()
        try Conformance.make(in: place.path)
        let stored = try FileManager.default.contentsOfDirectory(atPath: Self.folder).filter {
            $0.hasSuffix(".hex") || $0.hasSuffix(".tsv")
        }
        #expect(place.names == stored.sorted())
        for name in place.names {
            let (made, kept) = (
                try? String(contentsOfFile: place.path(name), encoding: .utf8),
                try? String(contentsOfFile: "\(Self.folder)/\(name)", encoding: .utf8)
            )
            #expect(made == kept, "\(name): run Tests/Conformance/make")
        }
    }

    @Test("Sender, receiver, report, check and tap") func verdicts() throws {
        let manifest = try String(contentsOfFile: Self.folder + "/manifest.tsv", encoding: .utf8)
        let rows = manifest.split(separator: "\n").dropFirst().map { Row($0) }
        #expect(rows.filter { $0.name != $0.base }.count >= 100)
        let place = Place()
        for row in rows {
            let image = try row.image(in: Self.folder)
            // Each on a file of its own: a sender changes it.
            func fresh() throws { try Data(image).write(to: URL(fileURLWithPath: place.path("r"))) }
            var found: [String] = []
            for look in [send, receive, report, check, tap] {
                try? FileManager.default.removeItem(atPath: place.path("r"))
                try fresh()
                do throws(RingError) {
                    found.append(try look(place.options()))
                } catch {
                    found.append("\(error.code)")
                }
            }
            #expect(found == row.verdict, "\(row.name)")
        }
    }

    private func isBroadcast(_ options: RingOptions) -> Bool { (try? BroadcastRing.open("r", options: options)) != nil }

    /// A handle of either kind. What the header can't say, opening refuses before the kind matters.
    private func isMany(_ options: RingOptions) throws(RingError) -> Bool {
        do throws(RingError) {
            _ = try SPSCRing.open("r", options: options)
            return false
        } catch {
            if (try? MPSCRing.open("r", options: options)) != nil { return true }
            throw error
        }
    }

    private func send(_ options: RingOptions) throws(RingError) -> String {
        if isBroadcast(options) {
            var publisher = try BroadcastRing.open("r", options: options).makePublisher()
            _ = try publisher.trySend([1])
        } else if try isMany(options) {
            // Every lane: the damage may be in any.
            let ring = try MPSCRing.open("r", options: options)
            var first = try ring.makeProducer()
            var second = try ring.makeProducer()
            _ = try first.trySend([1])
            _ = try second.trySend([1])
        } else {
            var producer = try SPSCRing.open("r", options: options).makeProducer()
            _ = try producer.trySend([1])
        }
        return "ok"
    }

    /// Polls, and so finds ends and errors, but no death that no successor has marked.
    private func receive(_ options: RingOptions) throws(RingError) -> String {
        var count = 0
        func outcome(_ poll: () throws(RingError) -> String) -> String {
            for _ in 0..<3000 {
                do throws(RingError) {
                    switch try poll() {
                    case "(empty)": continue
                    case "(ended)": return "\(count) ended"
                    default: count += 1
                    }
                } catch {
                    return "\(count) \(error.code)"
                }
            }
            return "\(count) empty"
        }
        if isBroadcast(options) {
            var subscriber = try BroadcastRing.open("r", options: options).makeSubscriber(from: .oldest)
            return outcome { () throws(RingError) in
                switch try subscriber.poll() {
                case .message: "message"
                case .empty: "(empty)"
                case .ended: "(ended)"
                }
            }
        }
        if try isMany(options) {
            var consumer = try MPSCRing.open("r", options: options).makeConsumer()
            return outcome { () throws(RingError) in
                switch try consumer.poll() {
                case .message: "message"
                case .empty: "(empty)"
                case .ended: "(ended)"
                }
            }
        }
        var consumer = try SPSCRing.open("r", options: options).makeConsumer()
        return outcome { () throws(RingError) in
            switch try consumer.poll() {
            case .message: "message"
            case .empty: "(empty)"
            case .ended: "(ended)"
            }
        }
    }

    private func report(_ options: RingOptions) throws(RingError) -> String {
        _ = try RingReport("r", options: options)
        _ = try RingStatistics("r", options: options)
        return "ok"
    }

    private func check(_ options: RingOptions) throws(RingError) -> String {
        try RingCheck("r", options: options).damage.isEmpty ? "sound" : "damaged"
    }

    /// A few looks: what is damaged is said once.
    private func tap(_ options: RingOptions) throws(RingError) -> String {
        var tap = try RingTap("r", options: options)
        var (messages, isDamaged) = (0, false)
        for _ in 0..<3 {
            for event in try tap.poll() {
                switch event {
                case .message: messages += 1
                case .damaged: isDamaged = true
                case .ended, .missed: break
                }
            }
        }
        return "\(messages)" + (isDamaged ? " damaged" : "")
    }
}
