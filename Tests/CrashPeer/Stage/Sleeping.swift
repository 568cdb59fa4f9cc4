import Foundation
import SharedRing

/// A consumer that waits for one message in another thread.
final class Sleeping: @unchecked Sendable {
    private final class Held {
        var receiver: Receiver?
        init(_ receiver: consuming Receiver) { self.receiver = consume receiver }
    }

    private let held: Held
    private var harvest = ReceivedMessages()
    private let done = DispatchSemaphore(value: 0)
    private let canceller: Canceller

    init(_ receiver: consuming Receiver) {
        canceller = receiver.canceller
        held = Held(receiver)
        let thread = Thread { [self] in
            harvest = held.receiver!.wait(.seconds(30))
            done.signal()
        }
        thread.start()
    }

    /// What it got. Cancels it if nothing has come within the bound: then the harvest says so.
    func join(within seconds: Double) -> ReceivedMessages {
        if done.wait(timeout: .now() + seconds) != .success {
            canceller.cancel()
            done.wait()
            harvest.strange.append("the consumer slept on, with \(harvest.messages.count) messages")
        }
        return harvest
    }

    /// After `join`.
    func takeReceiver() -> Receiver { held.receiver.take()! }
}
