// The live configuration of a service: an entry for each value, read at once by any number of processes, and followed as it changes.
import SharedRing

struct Limits: AnyBytes {
    var requestsPerSecond: Double
    var largestRequest: UInt64
}

func settings() throws(RingError) -> Board {
    try Board.openOrCreate("settings", entries: [Board.Entry("limits", capacity: 64), Board.Entry("motd", capacity: 256)])
}

/// The operator's side: sets a value once. The service need not run.
func configure(_ limits: Limits, _ greeting: String) throws(RingError) {
    let board = try settings()
    try board.set("motd", to: greeting)
    // A process that sets a value often holds its entry. Values that must change together are one entry.
    var writer = try board.makeWriter("limits")
    try writer.set(value: limits)
    writer.close()
}

/// The service's side: two loads and a copy, whenever it wants to know.
func limits(_ reader: inout BoardReader) throws(RingError) -> Limits {
    try reader.value(as: Limits.self) ?? Limits(requestsPerSecond: 100, largestRequest: 1 << 20)
}

/// Follows all entries. Of many changes only the newest value is reported, and that is never missed.
func follow(_ board: Board) async throws(RingError) {
    var view = try board.makeView()
    while true {
        for change in try await view.nextChanges(timeout: .seconds(1)) {
            print(change.key, change.version, try view.get(change.key)?.text ?? "")
        }
    }
}

try configure(Limits(requestsPerSecond: 250, largestRequest: 1 << 16), "welcome")
let board = try settings()
var reader = try board.makeReader("limits")
print(try limits(&reader).requestsPerSecond)
do throws(RingError) { try await follow(board) } catch { print(error.code) }
try Board.remove("settings")
