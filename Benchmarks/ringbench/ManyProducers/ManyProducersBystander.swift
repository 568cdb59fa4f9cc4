import Glibc
import SharedRing

/// A process of producers that send nothing.
enum ManyProducersBystander {
    /// Attached and silent until everything is over.
    static func beIdle(_ test: Case, _ count: Int, _ descriptor: Int32, _ gathering: Gathering, _ number: Int) throws {
        let producers = try Bystanders(test, descriptor, count)
        gathering.meet(number)
        gathering.meet(number)
        withExtendedLifetime(producers) {}
    }

    /// Stopped in the middle of a claim until it is to continue.
    static func beStopped(_ test: Case, _ descriptor: Int32) throws {
        var producer = try test.openLanes(descriptor).makeProducer(waiting: test.wait, options: .measured)
        let size = test.size
        var claim = try producer.claim(byteCount: size)
        var bytes = claim.bytes
        bytes.withUnsafeMutableBytes { Payload.fill($0.baseAddress!, size / 2, 0) }
        raise(SIGSTOP)
    }

    /// A chain, since an array takes nothing that can't be copied.
    private final class Bystanders {
        private let producer: Producer
        private let next: Bystanders?

        init?(_ test: Case, _ descriptor: Int32, _ count: Int) throws {
            guard count > 0 else { return nil }
            // Silent lanes need no pages.
            producer = try test.openLanes(descriptor).makeProducer(waiting: test.wait)
            next = try Bystanders(test, descriptor, count - 1)
        }
    }
}
