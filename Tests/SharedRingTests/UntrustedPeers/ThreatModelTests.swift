import Foundation
import TestSupport
import Testing

@Suite("The threat model", .oneByOne)
struct ThreatModelTests {
    @Test("Names only tests that there are") func names() throws {
        let package = MisuseTests.package
        let article = try String(contentsOfFile: package + "/Sources/SharedRing/SharedRing.docc/Threats.md", encoding: .utf8)
        let tests = package + "/Tests/SharedRingTests"
        var sources: [String: String] = [:]
        for case let path as String in try #require(FileManager.default.enumerator(atPath: tests)) where path.hasSuffix(".swift") {
            let suite = ((path as NSString).lastPathComponent as NSString).deletingPathExtension
            sources[suite] = try String(contentsOfFile: tests + "/" + path, encoding: .utf8)
        }
        var count = 0
        for match in article.matches(of: /`(\w+Tests)`(?:: ((?:"[^"]+"(?:, )?)+))?/) {
            let source = sources[String(match.1)] ?? ""
            #expect(source != "", "there is no \(match.1).swift")
            for name in (match.2 ?? "").matches(of: /"([^"]+)"/) {
                #expect(source.contains("\"" + name.1), "\(match.1) has no test '\(name.1)'")
                count += 1
            }
        }
        #expect(count > 20, "or the article is not read as it is written")
    }
}
