import SharedRing

/// "1 end of a stream", "2 ends of streams".
func countedEnds(_ count: Int) -> String { counted(count, "end of a stream", "ends of streams") }

/// A heading, and a fact a line under it, with what is said of each in one column.
func aligned(_ facts: [(String, String)], under heading: String) -> String {
    let width = facts.reduce(0) { max($0, $1.0.count) } + 2
    return "\(heading)\n" + facts.map { "  \($0.0.padded(to: width))\($0.1)\n" }.joined()
}

extension String {
    func padded(to width: Int) -> String { self + String(repeating: " ", count: Swift.max(0, width - count)) }
}

/// "Did you mean …?"
enum Suggestion {
    /// The word that was probably meant; nil if none is near. Deterministic: of several that are as near, the first.
    static func nearest(to word: String, among words: [String]) -> String? {
        // A third of the letters may be wrong: more, and anything is near a short word.
        let limit = word.count < 2 ? 0 : max(1, word.count / 3)
        var best: (distance: Int, word: String)?
        for candidate in words where candidate != word {
            guard let distance = distance(word, candidate, upTo: limit) else { continue }
            if distance < best?.distance ?? .max { best = (distance, candidate) }
        }
        return best?.word
    }

    /// "; did you mean 'receive'?", or nothing.
    static func ending(for word: String, among words: [String]) -> String {
        nearest(to: word, among: words).map { "; did you mean '\($0)'?" } ?? ""
    }

    /// How many letters must be put in, left out, replaced or swapped with their neighbour (optimal string alignment); nil: more
    /// than `limit`. O(n²) in the letters.
    static func distance(_ one: String, _ other: String, upTo limit: Int) -> Int? {
        let (one, other) = (Array(one), Array(other))
        if abs(one.count - other.count) > limit { return nil }
        // Rows of the table of distances between beginnings: the one in hand and the two before it.
        var rows = [[Int](), [], Array(0...other.count)]
        for place in one.indices {
            var row = [place + 1]
            for column in other.indices {
                let isSame = one[place] == other[column]
                var least = min(rows[2][column + 1] + 1, row[column] + 1, rows[2][column] + (isSame ? 0 : 1))
                if place > 0, column > 0, one[place] == other[column - 1], one[place - 1] == other[column] {
                    least = min(least, rows[1][column - 1] + 1)
                }
                row.append(least)
            }
            rows = [rows[1], rows[2], row]
        }
        let distance = rows[2][other.count]
        return distance <= limit ? distance : nil
    }
}
