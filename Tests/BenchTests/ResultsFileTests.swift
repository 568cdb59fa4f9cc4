import TestSupport
import Testing

@testable import BenchReport

@Suite("Files of results", .fewAtATime)
struct ResultsFileTests {
    @Test("A run that was written is read as it was")
    func roundTrip() throws {
        let text = Example.run.map(\.json).joined(separator: "\n") + "\n\n"
        let read = try ResultsFile.parse(text, name: "A")
        #expect(read.map(\.json) == Example.run.map(\.json))
        #expect(read.map(\.setup) == Example.run.map(\.setup))
    }

    @Test("The keys that others read are there")
    func keys() throws {
        guard case .object(let timed) = try JSONParser.parse(Example.result(.pipe, .rtt, repeats: [5]).json),
            case .object(let counted) = try JSONParser.parse(Example.result(.pipe, .throughput, repeats: [5e6]).json)
        else { return #expect(Bool(false), "not objects") }
        let common = [
            "transport", "mode", "size", "count", "wait", "cpus", "capacity", "batch", "cpu_ns_per_msg", "involuntary_switches", "repeats",
        ]
        for key in common + ["p50_ns", "p90_ns", "p99_ns", "p999_ns", "p9999_ns", "max_ns"] { #expect(timed[key] != nil, "\(key)") }
        for key in common + ["msgs_per_s", "GB_per_s"] { #expect(counted[key] != nil, "\(key)") }
        #expect(counted["GB_per_s"] == .number(0.32))
    }

    private func sentence(_ text: String) -> String {
        do {
            _ = try ResultsFile.parse(text, name: "A.json")
            return "no error"
        } catch { return error.sentence }
    }

    @Test("An error names the file and the line")
    func errors() {
        let good = Example.result(.pipe, .rtt, repeats: [5, 6, 7]).json
        #expect(sentence("\(good)\n\n{\"transport\":\"pipe\"") == "A.json:3: not JSON at column 20: ',' or '}' should be here")
        #expect(sentence("\(good)\n[]") == "A.json:2: a case is an object, not an array")
        #expect(sentence(good.replacing("\"rtt\"", with: "\"rtx\"")) == "A.json:1: there is no mode 'rtx'")
        #expect(sentence(good.replacing("\"size\":64,", with: "")) == "A.json:1: there is no key 'size'")
        #expect(
            sentence(good.replacing("\"size\":64,", with: "\"size\":6.5,")) == "A.json:1: 'size' should be a whole number, not a number")
        #expect(sentence(good.replacing("[5.0,6.0,7.0]", with: "[5.0,0]")).hasPrefix("A.json:1: 'repeats'"))
        #expect(sentence("\n").hasPrefix("A.json: there is no case in it"))
    }

    @Test("Files that were put together are more repeats")
    func merging() throws {
        let (one, other) = (Example.result(.pipe, .rtt, repeats: [5, 6]), Example.result(.pipe, .rtt, repeats: [7]))
        let read = try ResultsFile.parse("\(one.json)\n\(other.json)", name: "A")
        #expect(read.map(\.repeats) == [[5, 6, 7]])
        // Medians of the figures, the largest of all.
        #expect(read[0].latency?.p50 == 6 && read[0].latency?.p90 == 12.5 && read[0].latency?.largest == 42)
        #expect(read[0].curve.count == one.curve.count)
    }
}
