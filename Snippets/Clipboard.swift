// A clipboard with formats: whoever copies offers the same content in several formats, whoever pastes takes the best one that it knows.
import SharedRing

/// The formats, the best first. Each is an entry; so is the copy that is the current one.
let formats = ["text/html", "text/plain"]

func clipboard() throws(RingError) -> Board {
    try Board.openOrCreate(
        "clipboard", entries: [Board.Entry("current", capacity: 8)] + formats.map { Board.Entry($0, capacity: 1 << 16) })
}

/// Offers a content. The formats are values of their own, so they do not change together: each has the copy's number as its tag, and "current" comes last.
func copy(_ contents: [String: String], _ board: Board) throws(RingError) {
    // Who holds "current" copies; another process gets `roleTaken`, and tries again.
    var current = try board.makeWriter("current")
    // Of no copy before, also not of one that ended halfway, whose formats would become part of this one.
    var view = try board.makeView()
    let number = try view.snapshot().reduce(0) { max($0, $1.value.tag) } &+ 1
    for format in formats {
        guard let content = contents[format] else { continue }
        var writer = try board.makeWriter(format)
        try writer.set(content, tag: number)
    }
    try current.set(value: UInt64(number), tag: number)
}

/// The newest content in the best format that it was offered in. Nil: nothing was copied, or another copy is under way just now.
func paste(_ view: inout BoardView) throws(RingError) -> (format: String, content: String)? {
    // All entries as they stood at one moment.
    let entries = try view.snapshot()
    guard let current = entries["current"] else { return nil }
    for format in formats {
        if let value = entries[format], value.tag == current.tag { return (format, value.text) }
    }
    return nil
}

let board = try clipboard()
try copy(["text/plain": "hello", "text/html": "<b>hello</b>"], board)
var view = try board.makeView()
if let pasted = try paste(&view) { print(pasted.format, pasted.content) }
// A content in one format only: the other one is of an older copy, and is passed over.
try copy(["text/plain": "plain"], board)
if let pasted = try paste(&view) { print(pasted.format, pasted.content) }
try Board.remove("clipboard")
