import SharedRing

/// `sharedring list`: the rings of a directory.
struct ListCommand {
    private let options: RingOptions
    private let isJSON: Bool

    init(_ arguments: Arguments) throws {
        options = try arguments.findingOptions()
        isJSON = arguments.has("--json")
    }

    func run() throws {
        // One that has gone since is left out, like one that is no ring of ours.
        let reports = try names().compactMap { try? RingReport($0, options: options) }
        if isJSON {
            try StandardStreams.print("\(JSON.object(["rings": .array(reports.map(\.json))]))\n")
        } else {
            try StandardStreams.print(Self.aligned(reports.map(\.columns)))
        }
    }

    private func names() throws -> [String] {
        do throws(RingError) {
            return try RingReport.names(options: options)
        } catch {
            throw ToolFailure(aboutNoRing: error)
        }
    }

    /// A line each, with each column as wide as its widest field.
    private static func aligned(_ rows: [[String]]) -> String {
        guard let first = rows.first else { return "" }
        let widths = first.indices.map { column in rows.reduce(0) { max($0, $1[column].count) } }
        return rows.map { row in
            let padded = zip(row.dropLast(), widths).map { $0.padded(to: $1 + 2) }
            return padded.joined() + row[row.count - 1] + "\n"
        }.joined()
    }
}
