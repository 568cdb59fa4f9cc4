import Foundation
import SharedRing

/// A consumer that waits for one message in another thread.
final class Sleeping: @unchecked Sendable {
    private final class Held {
        var receiver: Receiver?
        init(_ receiver: consuming Receiver) { self.receiver = consume receiver }
    }

    private let held: Held
    private var received = ReceivedMessages()
    private let done = DispatchSemaphore(value: 0)
    private let canceller: Canceller

    init(_ receiver: consuming Receiver) {
        canceller = receiver.canceller
        held = Held(receiver)
        let thread = Thread { [self] in
            received = held.receiver!.wait(.seconds(600))
            done.signal()
        }
        thread.start()
    }

    /// What it got. Cancels it if nothing has come within the bound: then the received says so.
    func join(within seconds: Double) -> ReceivedMessages {
        if done.wait(timeout: .now() + seconds) != .success {
            canceller.cancel()
            done.wait()
            received.problems.append("the consumer slept on, with \(received.messages.count) messages")
        }
        return received
    }

    /// After `join`.
    func takeReceiver() -> Receiver { held.receiver.take()! }
}
