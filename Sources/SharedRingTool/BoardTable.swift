import SharedRing

/// The newest values of a board's entries in a terminal, each in its place: what `board watch` draws there.
struct BoardTable {
    private let name: FileName
    private var display = Display()
    /// By the bytes of the key: two keys whose texts look the same are two.
    private var values: [[UInt8]: BoardValue] = [:]

    init(_ name: FileName) { self.name = name }

    mutating func note(_ value: BoardValue, of key: String) { values[Array(key.utf8)] = value }

    mutating func show(_ keys: [String], in format: BoardFormat) throws {
        let names = keys.map { "\(FileName($0))" }
        let width = names.map(\.count).max() ?? 0
        try display.show(
            ["board '\(name)'"]
                + zip(keys, names).map { key, name in
                    let start = "  \(name)\(String(repeating: " ", count: width - name.count))  "
                    guard let value = values[Array(key.utf8)] else { return start + "-" }
                    // A line is as long as the terminal is wide at most; a value may have 2^30 bytes.
                    return start + "\(value.version)  " + format.line(Array(value.bytes.prefix(1000)))
                })
    }
}
