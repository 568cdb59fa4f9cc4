/// The words of the command line.
struct Arguments {
    struct Failure: Error { let text: String }

    private var words: [String]

    init(_ words: [String]) { self.words = words }

    /// Takes an option with a value, as `--name value` or `--name=value`.
    mutating func value(_ name: String) throws(Failure) -> String? {
        if let at = words.firstIndex(where: { $0.hasPrefix(name + "=") }) {
            return String(words.remove(at: at).dropFirst(name.count + 1))
        }
        guard let at = words.firstIndex(of: name) else { return nil }
        guard at + 1 < words.count else { throw Failure(text: "\(name) needs a value") }
        words.remove(at: at)
        return words.remove(at: at)
    }

    mutating func number(_ name: String, in range: ClosedRange<Int>) throws(Failure) -> Int? {
        guard let text = try value(name) else { return nil }
        guard let number = Int(text), range.contains(number) else {
            throw Failure(text: "\(name) takes a number from \(range.lowerBound) to \(range.upperBound), not '\(text)'")
        }
        return number
    }

    mutating func flag(_ name: String) -> Bool {
        guard let at = words.firstIndex(of: name) else { return false }
        words.remove(at: at)
        return true
    }

    /// The words that are no options.
    mutating func rest(_ count: Int, _ what: String) throws(Failure) -> [String] {
        if let unknown = words.first(where: { $0.hasPrefix("-") && $0 != "-" }) { throw Failure(text: "there is no option '\(unknown)'") }
        guard words.count == count else {
            throw Failure(text: words.count < count ? "\(what) is missing" : "'\(words[count])' is one word too many")
        }
        return words
    }
}
