import Foundation
import TestSupport
import Testing

@testable import SharedRing

@Suite("A directory that an untrusted peer fills with names", .oneByOne)
struct ManyNamesTests {
    /// More than one buffer of the C library's holds. An entry at the very end of one is shorter than `dirent` says; under the
    /// address sanitizer a read past it ends the run.
    @Test("Is read to its end, and not past it") func thousands() throws {
        let place = Place()
        _ = try SPSCRing.create("ring", options: place.options())
        for number in 0..<3000 { close(open(place.path("\(number)"), O_CREAT | O_WRONLY, 0o600)) }
        #expect(try RingReport.names(options: place.options()) == ["ring"])
        #expect(try Segment.fileNames(in: FileName(place.path)).count == 3001)
        #expect(try StaleRing.removeAll(options: place.options()).count <= 3001)
        #expect(place.names.count >= 3000)
    }
}
