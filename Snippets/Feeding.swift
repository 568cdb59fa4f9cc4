// A market feed: a recorder that must not miss a message, and screens that may.
import SharedRing

func record(_ write: ([UInt8]) -> Void) async throws {
    var subscriber = try await BroadcastRing.openOrCreate("quotes").makeSubscriber(.reliable, from: .oldest)
    print("began behind \(subscriber.sentBefore.messages) messages")
    try await subscriber.forEach { message in write(message.array) }
}
func show(_ display: (String) -> Void) async throws {
    var subscriber = try await BroadcastRing.openOrCreate("quotes").makeSubscriber(.lossy)
    while let text = try await subscriber.next()?.text {
        display(text)
        if subscriber.missed.messages > 0 { display("(\(subscriber.missed.messages) missed)") }
    }
}
func feed(_ quotes: [String]) async throws {
    let publisher = try BroadcastRing.openOrCreate("quotes").makePublisher()
    try await publisher.waitForSubscribers(1)
    for quote in quotes {
        do throws(RingError) {
            try await publisher.send(quote, timeout: .seconds(1))
        } catch {
            guard error.code == .timedOut else { throw error }
            print(error)  // it names the subscriber that holds the publisher up
        }
    }
    try await publisher.end()
}

func run() async throws {
    async let recording: Void = record { bytes in print("recorded \(bytes.count) bytes") }
    try await feed(["EURUSD 1.0842", "EURUSD 1.0843"])
    try await recording
}

try await run()
try BroadcastRing.remove("quotes")
