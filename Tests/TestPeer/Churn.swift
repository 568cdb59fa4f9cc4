import Foundation
import SharedRing

/// Making, attaching to and removing one name, over and over, against others who do the same.
public enum Churn {
    /// While a role is held, no process can take it again by the name: there is one ring of that name, or none.
    public static func run(_ name: String, options: RingOptions, rounds: Int, seed: UInt64) throws -> String {
        var random = SplitMix(seed: seed)
        var attached = 0
        var removed = 0
        for _ in 0..<rounds {
            let choice = random.next() % 3
            do throws(RingError) {
                switch choice {
                case 0:
                    let producer = try SPSCRing.openOrCreate(name, options: options).makeProducer()
                    attached += 1
                    try probe { () throws(RingError) in _ = try SPSCRing.openOrCreate(name, options: options).makeProducer() }
                    try producer.close()
                case 1:
                    let consumer = try SPSCRing.openOrCreate(name, options: options).makeConsumer()
                    attached += 1
                    try probe { () throws(RingError) in _ = try SPSCRing.openOrCreate(name, options: options).makeConsumer() }
                    try consumer.close()
                default:
                    try SPSCRing.remove(name, options: options)
                    removed += 1
                }
            } catch {
                let expected: [RingError.Code] = choice < 2 ? [.roleTaken] : [.inUse, .notFound]
                guard expected.contains(error.code) else { throw error }
            }
            if random.next() & 3 == 0 { sched_yield() }
        }
        return "attached \(attached) removed \(removed)"
    }

    private static func probe(_ again: () throws(RingError) -> Void) throws(RingError) {
        do throws(RingError) {
            try again()
        } catch {
            if error.code == .roleTaken { return }
            throw error
        }
        fatalError("VIOLATION: the role was taken twice")
    }
}
