import SharedRing

/// A Swift service that a C++ process feeds: it takes every price from a ring, and keeps the newest of each instrument on a board, where any process may look it up.
///
///     PriceService RING BOARD        to the end of the stream
///
/// `feed.cpp` is the other side; `run` starts both.
@main
struct PriceService {
    /// As `struct tick` of feed.cpp.
    struct Tick {
        var instrument: UInt32
        var quantity: UInt32
        var price: Double
    }

    static let instruments = 16

    static func main() throws {
        let names = Array(CommandLine.arguments.dropFirst())
        guard names.count == 2 else { return print("usage: PriceService RING BOARD") }
        let board = try Board.openOrCreate(names[1], entries: (0..<instruments).map { Board.Entry("instrument \($0)", capacity: 8) })
        let writers = try (0..<instruments).map { Writer(try board.makeWriter("instrument \($0)")) }
        var consumer = try SPSCRing.openOrCreate(names[0]).makeConsumer(waiting: .sleep)
        var (ticks, volume) = (0, UInt64(0))
        print("attached")
        while true {
            // The message ends with this scope: its space is given back before the wait for the next one.
            guard let message = try consumer.next() else { break }
            // SAFETY: any bytes are a tick; what it says is checked.
            guard let tick = unsafe message.unsafeValue(as: Tick.self), tick.instrument < UInt32(instruments) else {
                print("not a tick: \(message.byteCount) bytes")
                continue
            }
            try writers[Int(tick.instrument)].set(tick.price)
            ticks += 1
            volume += UInt64(tick.quantity)
        }
        try consumer.close()
        print("\(ticks) ticks, volume \(volume)")
    }

    /// A writer in an array, which can't hold what is not copyable.
    final class Writer {
        private var writer: BoardWriter

        init(_ writer: consuming BoardWriter) { self.writer = writer }

        func set(_ price: Double) throws { try writer.set(value: price) }
    }
}
