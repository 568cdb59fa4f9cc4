import Glibc
import SharedRing

/// `sharedring list`: the rings of a directory.
struct ListCommand {
    private enum Format {
        case table, names, json
    }

    private let options: RingOptions
    private let format: Format
    /// Which are wanted; nil: all, and what is damaged or of another version, whose kind is not known.
    private let kinds: [RingKind]?

    init(_ arguments: Arguments) throws {
        options = try arguments.findingOptions()
        let formats = ["--json", "--names"].filter(arguments.has)
        if formats.count > 1 { throw ToolFailure.usage("'\(formats[0])' and '\(formats[1])' exclude each other", of: .list) }
        format = arguments.has("--json") ? .json : arguments.has("--names") ? .names : .table
        let words = "kind: \(Self.kindWords.joined(separator: ", ")), or several of them with commas"
        kinds = try arguments.value("--kind", words) { word -> [RingKind]? in
            let kinds = word.split(separator: ",", omittingEmptySubsequences: false).map { Self.kinds(of: String($0)) }
            return kinds.contains { $0.isEmpty } ? nil : kinds.flatMap { $0 }
        }
    }

    func run() throws {
        // One that has gone since is left out, like one that is no ring of ours.
        let (reports, damaged, others) = try rings()
        switch format {
        case .json:
            let object = JSON.object([
                "rings": .array(reports.map(\.json)), "damaged": .array(damaged.map(\.json)), "other_versions": .array(others.map(\.json)),
            ])
            try StandardStreams.print("\(object)\n")
        case .names:
            // For programs, so each is a name that leads to its ring.
            let names = reports.compactMap(\.fileName.text).filter { $0.printable == $0 }
            try StandardStreams.print(names.map { "\($0)\n" }.joined())
        case .table:
            // Headings are for people: what reads lines from a pipe gets a ring with each.
            var rows = reports.map { ($0.fileName, $0.columns) } + damaged.map { ($0.fileName, $0.columns) }
            rows += others.map { ($0.fileName, $0.columns) }
            rows.sort { $0.0 < $1.0 }
            let headings = isatty(STDOUT_FILENO) == 1 && !rows.isEmpty ? [RingReport.headings] : []
            try StandardStreams.print(Self.aligned(headings + rows.map(\.1)))
        }
    }

    /// What stands behind `--kind`: the kinds, and a word for those through which messages pass.
    static let kindWords = ["ring", "spsc", "mpsc", "broadcast", "board", "call"]

    /// Which kinds the word means; none: it is no such word.
    private static func kinds(of word: String) -> [RingKind] {
        word == "ring" ? [.spsc, .mpsc, .broadcast] : RingKind(rawValue: word).map { [$0] } ?? []
    }

    private func rings() throws -> (sound: [RingReport], damaged: [DamagedRing], others: [OtherVersionRing]) {
        do throws(RingError) {
            let names = try RingReport.fileNames(options: options)
            let reports = names.compactMap { try? RingReport(named: $0, options: options) }
            if let kinds { return (reports.filter { kinds.contains($0.kind) }, [], []) }
            return (reports, try DamagedRing.all(options: options), try OtherVersionRing.all(options: options))
        } catch {
            throw ToolFailure("\(error)")
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
