import Foundation
import TestSupport
import Testing

@testable import SharedRing

@Suite("File names are bytes: two names that look the same are two, and one that is no text can be used", .oneByOne)
struct FileNameTests {
    let place = Place()
    private static let composed = "caf\u{e9}"
    private static let decomposed = "cafe\u{301}"
    private static let broken = FileName(bytes: [0x63, 0x61, 0x66, 0xe9])

    /// The names in the directory, as the kernel has them.
    private var names: Set<FileName> { Set((try? Segment.fileNames(in: FileName(place.path))) ?? []) }

    @Test("One word in two normalisations names two rings: both are listed, opened, examined and removed apart")
    func normalisations() throws {
        #expect(Self.composed == Self.decomposed, "that this shows anything: as text they are equal")
        for name in [Self.composed, Self.decomposed] {
            var options = place.options(capacity: name.utf8.count == 5 ? 4096 : 8192)
            options.label = "\(name.utf8.count) bytes"
            _ = try SPSCRing.create(name, options: options)
        }
        #expect(try RingReport.names(options: place.options()).count == 2)
        #expect(try Set(RingReport.fileNames(options: place.options())).count == 2)
        for file in try RingReport.fileNames(options: place.options()) {
            let label = "\(file.bytes.count) bytes"
            #expect(try SPSCRing.open(named: file, options: place.options()).label == label)
            #expect(try RingReport(named: file, options: place.options()).label == label)
            #expect(try RingStatistics(named: file, options: place.options()).report.fileName == file)
            #expect(try RingCheck(named: file, options: place.options()).report.fileName == file)
            #expect(try RingTap(named: file, options: place.options()).capacity == (file.bytes.count == 5 ? 4096 : 8192))
        }
        try SPSCRing.remove(Self.decomposed, options: place.options())
        #expect(names == [FileName(Self.composed)])
    }

    @Test("A name that is not UTF-8 is a ring's like any other, and is never taken for the one that it is repaired to")
    func notText() throws {
        var options = place.options()
        options.label = "not text"
        _ = try SPSCRing.create(named: Self.broken, options: options)
        _ = try SPSCRing.create(Self.broken.repairedText, options: place.options())
        #expect(names == [Self.broken, FileName("caf\u{FFFD}")])
        #expect(try RingReport.names(options: place.options()) == ["caf\u{FFFD}"], "only what is text")
        #expect(try RingReport.fileNames(options: place.options()) == [Self.broken, FileName("caf\u{FFFD}")].sorted())
        #expect(try RingReport(named: Self.broken, options: place.options()).label == "not text")

        expectError(.alreadyExists, saying: #"ring 'caf\xE9'"#) { () throws(RingError) in
            _ = try SPSCRing.create(named: Self.broken, options: place.options())
        }
        try SPSCRing.openOrCreate(named: Self.broken, options: place.options()).makeProducer().close()
        var consumer = try SPSCRing.open(named: Self.broken, options: place.options()).makeConsumer()
        #expect(try consumer.pollText() == "(ended)")
        try consumer.close()
        let stale = try StaleRing.removeAll(options: place.options())
        #expect(stale.map(\.fileName) == [Self.broken, FileName("caf\u{FFFD}")].sorted())
        #expect(names == [FileName("caf\u{FFFD}")], "the one that was used, and not its neighbour")
        _ = try MPSCRing.openOrCreate(named: Self.broken, lanes: 2, options: place.options())
        try MPSCRing.remove(named: Self.broken, options: place.options())
        #expect(names == [FileName("caf\u{FFFD}")])
    }

    @Test("A directory whose path is not UTF-8") func directory() throws {
        var options = place.options()
        options.directoryName = FileName(bytes: Array("\(place.path)/".utf8) + [0xff])
        #expect(options.directoryName.withCString { mkdir($0, 0o700) } == 0)
        _ = try SPSCRing.create("r", options: options)
        #expect(try RingReport.names(options: options) == ["r"])
        expectError(.notFound, saying: #"\xFF'"#) { () throws(RingError) in _ = try SPSCRing.open("x", options: options) }
        try SPSCRing.remove("r", options: options)
        #expect(options.directoryName.withCString { rmdir($0) } == 0)
    }

    @Test("What is shown is one line of letters, and different bytes look different") func escaping() {
        for (bytes, text) in [
            ([0x61, 0x0a, 0x1b, 0x5b, 0x41], #"a\n\u{1B}[A"#), ([0x5c, 0x6e], #"\\n"#), ([0xff, 0x80], #"\xFF\x80"#),
            ([0xe2, 0x82, 0xac], "€"), ([0xe2, 0x82], #"\xE2\x82"#), ([0xe2, 0x82, 0x41], #"\xE2\x82A"#),
            ([0xed, 0xa0, 0x80], #"\xED\xA0\x80"#), ([0xc0, 0x80], #"\xC0\x80"#), ([0xf4, 0x90, 0x80, 0x80], #"\xF4\x90\x80\x80"#),
            ([0xe2, 0x80, 0xae], #"\u{202E}"#), ([0xe2, 0x80, 0xa8], #"\u{2028}"#), ([0x7f], #"\u{7F}"#), ([], ""),
            ([0xf0, 0x9f, 0xa6, 0x86], "🦆"), ([0xc2], #"\xC2"#), ([0x01], #"\u{1}"#),
        ] as [([UInt8], String)] {
            #expect(FileName(bytes: bytes).description == text)
            #expect(text.printable == text, "escaping again changes nothing")
        }
        for first in UInt8.min...UInt8.max {
            for second in UInt8.min...UInt8.max {
                let shown = FileName(bytes: [first, second]).description
                #expect(shown.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7f...0x9f).contains($0.value) }, "\(first) \(second)")
            }
        }
    }

    @Test("Control characters of names, paths, directories and labels do not stand raw in errors") func errors() throws {
        let name = "a\u{1B}[2J\nb"
        var options = place.options()
        options.label = "l\u{1B}\u{202E}"
        func check(_ body: () throws(RingError) -> Void, sourceLocation: SourceLocation = #_sourceLocation) {
            guard let error = failure(of: body) else {
                Issue.record("nothing was thrown", sourceLocation: sourceLocation)
                return
            }
            for text in [error.description, error.detail, error.subject.name] {
                let isClean = text.unicodeScalars.allSatisfy { ![.control, .format].contains($0.properties.generalCategory) }
                #expect(isClean, "\(error)", sourceLocation: sourceLocation)
            }
            #expect(error.description.contains(#"\u{1B}"#), "\(error)", sourceLocation: sourceLocation)
        }
        check { () throws(RingError) in _ = try SPSCRing.open(name, options: options) }
        check { () throws(RingError) in _ = try SPSCRing.open(name + "/", options: options) }
        var elsewhere = options
        elsewhere.directory = "/nowhere\u{1B}"
        check { () throws(RingError) in _ = try SPSCRing.open("r", options: elsewhere) }
        check { () throws(RingError) in _ = try RingReport.names(options: elsewhere) }
        check { () throws(RingError) in _ = try Link.connect(path: "/nowhere/\u{1B}\n") }
        check { () throws(RingError) in _ = try LinkListener(path: "/nowhere/\u{1B}\n") }
        let labelled = try SPSCRing.anonymous(options: options)
        let producer = try labelled.makeProducer()
        check { () throws(RingError) in try labelled.makeProducer().close() }
        try producer.close()
    }
}
