import Foundation
import TestSupport
import Testing

/// A ring's name is bytes. What the tool writes for programs distinguishes any two of them.
@Suite(.fewAtATime) struct NameTests {
    /// A name that is no UTF-8, and the text that people are shown for it, which is another ring's name.
    private static let broken = #"$'caf\xe9'"#
    private static let lookalike = #"'caf\xE9'"#
    private static let brokenBytes = "636166e9"
    private static let lookalikeBytes = "6361665c784539"
    private static let both: Set<String> = [brokenBytes, lookalikeBytes]

    private func run(_ script: String, in space: Workspace, status: Int32 = 0) throws -> String {
        let (end, output) = try ToolProcess.shell(script, in: space)
        #expect(end.status == status, "\(script): \(end)")
        return String(decoding: output, as: UTF8.self)
    }

    private func object(_ line: some StringProtocol) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any], "\(line)")
    }

    private func makeBoth(in space: Workspace) throws {
        _ = try run("sharedring create \(Self.broken) --label broken; sharedring create \(Self.lookalike) --label text", in: space)
    }

    @Test func ringsWithTheSameTextAreDistinguishedByTheirBytes() throws {
        let space = try Workspace()
        try makeBoth(in: space)
        for command in ["info", "check", "stat"] {
            let lines = try run("sharedring \(command) --json \(Self.broken) \(Self.lookalike)", in: space).split(separator: "\n")
            let objects = try lines.map(object)
            #expect(objects.map { $0["name"] as? String } == [#"caf\xE9"#, #"caf\xE9"#])
            #expect(objects.map { $0["name_bytes"] as? String } == [Self.brokenBytes, Self.lookalikeBytes], "\(command)")
        }
        let rings = try #require(try object(try run("sharedring list --json", in: space))["rings"] as? [[String: Any]])
        let pairs = rings.map { ($0["name_bytes"] as? String ?? "", $0["label"] as? String ?? "") }
        let labels = Dictionary(pairs) { "\($0) \($1)" }
        #expect(labels == [Self.brokenBytes: "broken", Self.lookalikeBytes: "text"])
    }

    /// The bytes lead back to the ring, as a script would go.
    @Test func theBytesLeadBackToTheRing() throws {
        let space = try Workspace()
        try makeBoth(in: space)
        for (bytes, label) in [(Self.brokenBytes, "broken"), (Self.lookalikeBytes, "text")] {
            let escaped = stride(from: 0, to: bytes.count, by: 2).map { "\\x" + bytes.dropFirst($0).prefix(2) }.joined()
            #expect(try object(try run("sharedring info --json $'\(escaped)'", in: space))["label"] as? String == label)
        }
    }

    @Test func aDirectoryThatIsNoTextHasItsBytes() throws {
        let space = try Workspace()
        _ = try run(#"mkdir $'d\xff'; sharedring create r --dir $'d\xff'"#, in: space)
        for command in ["info", "check", "stat"] {
            let object = try object(try run("sharedring \(command) --json r --dir $'d\\xff'", in: space))
            #expect(object["directory"] as? String == "d\u{FFFD}")
            #expect(object["directory_bytes"] as? String == "64ff", "\(command)")
            #expect(object["name_bytes"] as? String == "72")
        }
    }

    @Test func whatIsDamagedOrNotThereHasItsBytes() throws {
        let space = try Workspace()
        try makeBoth(in: space)
        _ = try run("for file in \"$SHAREDRING_DIR\"/*; do truncate -s 5000 \"$file\"; done", in: space)
        let damaged = try #require(try object(try run("sharedring list --json", in: space))["damaged"] as? [[String: Any]])
        #expect(Set(damaged.compactMap { $0["name_bytes"] as? String }) == Self.both)
        for (name, bytes) in [(Self.broken, Self.brokenBytes), (Self.lookalike, Self.lookalikeBytes), ("none", "6e6f6e65")] {
            let object = try object(try run("sharedring check --json \(name)", in: space, status: 1))
            #expect(object["name_bytes"] as? String == bytes && object["usable"] as? Bool == false)
        }
    }

    /// Two samples of the same labels make Prometheus refuse the whole answer, and so does a raw control character for some readers.
    @Test func prometheusGetsALabelOfItsOwnForEachName() throws {
        let space = try Workspace()
        // As typed in bash, and what stands between the quotes of the label.
        let names: [(word: String, label: String)] = [
            ("'plain name'", "plain name"), (#"$'caf\xe9'"#, #"caf\\xE9"#), (#"'caf\xE9'"#, #"caf\\\\xE9"#),
            (#"$'\e[2Jx'"#, #"\\u{1B}[2Jx"#), (#"'\u{1B}[2Jx'"#, #"\\\\u{1B}[2Jx"#), (#"$'t\tr\rn\nq"'"#, #"t\\tr\\rn\\nq\""#),
            (#"$'n\nq"'"#, #"n\nq\""#), (#"'n\nq"'"#, #"n\\\\nq\""#), (#"'a \c'"#, #"a \\c"#), ("'é ü'", "é ü"),
            (#"$'\xe2\x80\xaex'"#, #"\\u{202E}x"#),
        ]
        for (word, _) in names { _ = try run("sharedring create \(word)", in: space) }
        let words = names.map(\.word).joined(separator: " ")
        let text = try run("sharedring stat --prometheus \(words)", in: space)
        for scalar in text.unicodeScalars where scalar != "\n" {
            #expect(![.control, .format].contains(scalar.properties.generalCategory), "\(scalar.value)")
        }
        let samples = text.split(separator: "\n").filter { $0.hasPrefix("sharedring_consumer_attached{") }
        #expect(samples.map(String.init) == names.map { "sharedring_consumer_attached{ring=\"\($0.label)\"} 0" })
        #expect(Set(samples).count == names.count)
    }
}
