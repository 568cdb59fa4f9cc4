import Foundation
import TestSupport
import Testing

@testable import BenchReport

/// `ringbench` itself, as a process. Its figures mean nothing here; that it gives any, and which, does.
@Suite("The command", .fewAtATime, .serialized)
struct CommandTests {
    private struct End {
        let status: Int32?
        let output: String
        let errors: String
    }

    /// Its bound ends it, should it hang.
    private func ringbench(_ words: String...) throws -> End {
        let bundle = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let tool = URL(fileURLWithPath: bundle).deletingLastPathComponent().appendingPathComponent("ringbench").path
        let folder = FileManager.default.temporaryDirectory
        let files = try ["out", "err"].map { suffix in
            let file = folder.appendingPathComponent("ringbench-\(UUID().uuidString).\(suffix)")
            try Data().write(to: file)
            return file
        }
        defer { for file in files { try? FileManager.default.removeItem(at: file) } }
        let streams = try files.map { try FileHandle(forWritingTo: $0) }
        let process = try withExtendedLifetime(streams) {
            try ChildProcess(tool, words, output: streams[0].fileDescriptor, errors: streams[1].fileDescriptor)
        }
        let status = process.end()
        return try End(
            status: status, output: String(contentsOf: files[0], encoding: .utf8), errors: String(contentsOf: files[1], encoding: .utf8))
    }

    private func file(_ text: String) throws -> String {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("ringbench-\(UUID().uuidString)").path
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        return path
    }

    @Test("Both sides on one CPU, or on one that is not there, is an error")
    func nonsense() throws {
        let same = try ringbench("rtt", "--cpus", "0,0")
        #expect(same.status == 2 && same.errors.contains("--same-core") && same.output.isEmpty)
        let absent = try ringbench("rtt", "--cpus", "0,1023")
        #expect(absent.status == 2 && absent.errors.contains("there is no CPU 1023"))
        let spinning = try ringbench("rtt", "--same-core", "--wait", "spin")
        #expect(spinning.status == 2 && spinning.errors.contains("nobody may spin"))
    }

    @Test("On one CPU, when asked for, it measures what sleeps")
    func sameCore() throws {
        let end = try ringbench("rtt", "--same-core", "--transport", "pipe", "--count", "500", "--repeats", "1", "--json")
        #expect(end.status == 0, "\(end.errors)")
        #expect(end.errors.contains("both sides share CPU"))
        let results = try ResultsFile.parse(end.output, name: "output")
        #expect(results.count == 1 && results[0].count == 500)
    }

    @Test("A wrong word is named")
    func misuse() throws {
        let end = try ringbench("rtt", "--sise", "8")
        #expect(end.status == 2 && end.errors.contains("'--sise'"))
        #expect(try ringbench("--size", "8").status == 2)
        #expect(try ringbench("rtt", "--full").status == 2)
        #expect(try ringbench("mpsc", "--producers", "2", "--transport", "spsc").errors.contains("spsc is for one producer"))
        #expect(try ringbench("rtt", "--report", "/nowhere/page.html").errors.contains("/nowhere/page.html can't be written"))
        #expect(try ringbench("help").output.contains("--drain-after"))
    }

    private static let hasTwoCPUs = ProcessInfo.processInfo.activeProcessorCount >= 2

    @Test("Every mode gives a case a line, and a page", .enabled(if: hasTwoCPUs))
    func modes() throws {
        for words in [["rtt", "ring,line2"], ["throughput", "ring,stream"], ["mpsc", "ring,spsc,shared-tail"]] {
            let page = try file("")
            let end = try ringbench(
                words[0], "--transport", words[1], "--producers", "1", "--count", "1000", "--repeats", "2", "--json", "--report", page)
            #expect(end.status == 0, "\(words): \(end.errors)")
            let results = try ResultsFile.parse(end.output, name: "output")
            #expect(Set(results.map(\.setup.transport.rawValue)) == Set(words[1].split(separator: ",").map(String.init)))
            #expect(results.allSatisfy { $0.repeats.count == 2 && $0.setup.mode.rawValue == words[0] })
            #expect(try String(contentsOfFile: page, encoding: .utf8).contains("</html>"))
        }
    }

    @Test("Producers that are drained after they are done are all received", .enabled(if: hasTwoCPUs))
    func drainingAfter() throws {
        let end = try ringbench(
            "mpsc", "--transport", "ring,shared-tail", "--producers", "2,3", "--drain-after", "--count", "2000", "--capacity", "16384",
            "--repeats", "1", "--json")
        #expect(end.status == 0, "\(end.errors)")
        #expect(try ResultsFile.parse(end.output, name: "output").count == 6)
    }

    @Test("Calls beside other ways, of many callers, and beside idle slots give a line each", .enabled(if: hasTwoCPUs))
    func calls() throws {
        let end = try ringbench(
            "call", "--size", "48", "--count", "100", "--clients", "3", "--callers", "2", "--idle-slots", "70", "--repeats", "1",
            "--milliseconds", "20", "--json")
        #expect(end.status == 0, "\(end.errors)")
        let lines = end.output.split(separator: "\n")
        let counts = lines.filter { $0.contains("\"mode\":\"calls\"") }
        // Of each way to wait: one client, three, two threads, two tasks; and with no idle slot and with 70.
        #expect(counts.count == 2 * 4 + 2, "\(end.output)")
        for line in counts {
            let object = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
            #expect((object["calls_per_s"] as? Double ?? 0) > 0 && (object["repeats"] as? [Any])?.count == 1, "\(line)")
        }
        let results = try ResultsFile.parse(lines.filter { !counts.contains($0) }.joined(separator: "\n"), name: "output")
        // Spinning: line1, call and ring. Asleep: futex, and four transports.
        #expect(results.count == 3 + 5 && results.allSatisfy { $0.repeats.count == 1 })
        let text = try ringbench("call", "--idle-slots", "3", "--repeats", "1", "--milliseconds", "20")
        #expect(text.status == 0 && text.output.contains("beside 3 idle slots") && !text.output.contains("x floor"), "\(text)")
        #expect(try ringbench("call", "--clients", "0").status == 2)
        #expect(try ringbench("call", "--idle", "3").errors.contains("'--idle'"))
    }

    @Test("Two files are compared; a bad one is named with its line")
    func comparing() throws {
        let good = try file(Example.run.map(\.json).joined(separator: "\n"))
        let end = try ringbench("compare", good, good)
        #expect(end.status == 0 && end.output.contains("0 better, 0 worse"), "\(end.errors)")
        let bad = try file(Example.run[0].json + "\nhello\n")
        let failed = try ringbench("compare", good, bad)
        #expect(failed.status == 1 && failed.errors.contains("\(bad):2: not JSON at column 1"))
        #expect(try ringbench("compare", good, "/nowhere").errors.contains("/nowhere can't be read"))
        #expect(try ringbench("compare", good).status == 2)
    }
}
