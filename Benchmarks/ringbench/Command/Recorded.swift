import BenchReport

/// What can be done with results that were kept.
enum Recorded {
    static func compare(_ words: [String]) throws {
        guard words.count == 2 else { throw Misuse("compare takes two files that 'ringbench --json' wrote: compare A.json B.json") }
        let comparison = Comparison(try results(words[0]), try results(words[1]), names: (words[0], words[1]))
        for line in comparison.lines { print(line) }
    }

    static func report(_ words: [String]) throws {
        guard words.count == 2 else {
            throw Misuse("report takes a file that 'ringbench --json' wrote, and the page to write: report A.json A.html")
        }
        let results = try results(words[0])
        try SystemFile.write(ReportPage(results, notes: []).html, to: words[1])
    }

    private static func results(_ path: String) throws -> [CaseResult] {
        guard let text = SystemFile.read(path) else { throw Failure("\(path) can't be read") }
        return try ResultsFile.parse(text, name: path)
    }
}
