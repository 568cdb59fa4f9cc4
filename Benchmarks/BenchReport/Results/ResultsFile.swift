/// What `ringbench --json` printed: a case a line. Empty lines are passed over.
package enum ResultsFile {
    /// - Parameter name: how errors call it; they say the line.
    package static func parse(_ text: String, name: String) throws(ResultsError) -> [CaseResult] {
        var results: [CaseResult] = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
        where !line.allSatisfy(\.isWhitespace) {
            do throws(ResultsError) {
                results.append(try result(line))
            } catch {
                throw ResultsError("\(name):\(index + 1): \(error.sentence)")
            }
        }
        guard !results.isEmpty else { throw ResultsError("\(name): there is no case in it; it should hold what 'ringbench --json' prints") }
        return merged(results)
    }

    private static func result(_ line: Substring) throws(ResultsError) -> CaseResult {
        let value: JSONValue
        do throws(JSONParser.Failure) {
            value = try JSONParser.parse(line)
        } catch {
            throw ResultsError("not JSON at column \(error.column): \(error.sentence)")
        }
        return try CaseResult(json: value)
    }

    /// A case that stands several times (files that were put together) has been repeated oftener.
    private static func merged(_ results: [CaseResult]) -> [CaseResult] {
        var order: [CaseSetup] = []
        for result in results where !order.contains(result.setup) { order.append(result.setup) }
        let groups = Dictionary(grouping: results, by: \.setup)
        return order.compactMap { groups[$0].map { CaseResult(merging: $0) } }
    }
}
