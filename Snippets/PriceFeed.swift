// A price feed: one publisher, a recorder that must not miss a quote, and a view in a terminal that may.
import SharedRing

struct Quote: AnyBytes {
    var symbol: UInt32
    /// In hundredths.
    var price: UInt32
    var sequence: UInt64
}

let symbols = ["EURUSD", "EURGBP", "EURCHF"]

func feed() throws(RingError) -> BroadcastRing { try BroadcastRing.openOrCreate("quotes") }

/// The publisher: it waits for the recorder, if need be, and never for a view.
func publish(_ count: Int) throws(RingError) {
    var publisher = try feed().makePublisher()
    var prices = [UInt32](repeating: 100_00, count: symbols.count)
    for sequence in 0..<UInt64(count) {
        let symbol = Int(sequence) % symbols.count
        prices[symbol] += UInt32(sequence * 7 % 5)
        try publisher.send(value: Quote(symbol: UInt32(symbol), price: prices[symbol], sequence: sequence))
    }
    try publisher.close()
}

/// The recorder: what it had not acknowledged when it was killed, or was sent while it was away, comes when it is back.
func record(_ recorder: inout Subscriber) throws(RingError) -> (first: UInt64, last: UInt64)? {
    var recorded: (first: UInt64, last: UInt64)?
    while let quote = try recorder.next()?.value(as: Quote.self) {
        recorded = (recorded?.first ?? quote.sequence, quote.sequence)
    }
    return recorded
}

/// The view: the newest price of each symbol, in place. It draws when it has seen all that is there, however much it missed on the way.
func show(_ view: inout Subscriber) throws(RingError) {
    var newest = [UInt32?](repeating: nil, count: symbols.count)
    var isFirst = true
    func note(_ quote: Quote?) {
        // Another process wrote it.
        guard let quote, symbols.indices.contains(Int(quote.symbol)) else { return }
        newest[Int(quote.symbol)] = quote.price
    }
    while true {
        var isOver = true
        if let message = try view.next() {
            note(message.value(as: Quote.self))
            isOver = false
        }
        view.drain { note($0.value(as: Quote.self)) }
        // Back to the first line, and over it.
        print(isFirst ? "" : "\u{1b}[\(symbols.count + 1)A", terminator: "")
        for (symbol, price) in zip(symbols, newest) {
            let shown = price.map { "\($0 / 100).\($0 % 100 < 10 ? "0" : "")\($0 % 100)" } ?? "-"
            print("\u{1b}[2K\(symbol)  \(shown)")
        }
        print("\u{1b}[2K\(view.missed.messages) quotes missed")
        isFirst = false
        if isOver { return }
    }
}

// In one process here; the recorder and the view are processes of their own in earnest.
var recorder = try feed().makeSubscriber(.durable, as: "recorder")
var view = try feed().makeSubscriber(.lossy)
try publish(1000)
if let recorded = try record(&recorder) { print("recorded \(recorded.first) to \(recorded.last)") }
try recorder.end()
try show(&view)
try feed().removeSubscriber(named: "recorder")
try BroadcastRing.remove("quotes")
