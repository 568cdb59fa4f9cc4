/// Options whose values are lists of numbers, as in `--size 8,64`.
struct CountOptions {
    private var lists: [String: [Int]] = [:]

    /// `known`: in the order of the error; `least`: what a number may be at least.
    init(_ words: [String], of mode: String, _ known: [String], atLeast least: Int = 1) throws {
        for place in stride(from: 0, to: words.count, by: 2) {
            let option = words[place]
            guard place + 1 < words.count else { throw Misuse("'\(option)' needs a value") }
            guard known.contains(option) else {
                throw Misuse("there is no option '\(option)' of '\(mode)'; there are \(known.joined(separator: ", "))")
            }
            let word = words[place + 1]
            let numbers = word.split(separator: ",").map { Int($0) }
            guard !numbers.isEmpty, numbers.allSatisfy({ $0.map { $0 >= least } ?? false }) else {
                throw Misuse("'\(word)' is no list of numbers\(least > 0 ? " above \(least - 1)" : "")")
            }
            lists[option] = numbers.compactMap { $0 }
        }
    }

    func has(_ option: String) -> Bool { lists[option] != nil }
    func list(_ option: String, or standard: [Int]) -> [Int] { lists[option] ?? standard }
    func number(_ option: String, or standard: Int) -> Int { lists[option]?[0] ?? standard }
    func numberIfAny(_ option: String) -> Int? { lists[option]?[0] }
}
