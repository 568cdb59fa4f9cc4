import CSharedRing
import Foundation
import SharedRing

/// A million messages through a ring, and values through a board, in one thread, for those who count what that costs.
enum Steady {
    /// Under a preloaded counter (see SteadyStateTests) prints how many allocations the second half made.
    static func run(_ mode: String) throws {
        typealias Counter = @convention(c) () -> Int
        let symbol = dlsym(nil, "sr_test_allocations")
        let counter = symbol.map { unsafeBitCast($0, to: Counter.self) }

        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 1 << 16))
        var producer = try ring.makeProducer(options: EndpointOptions(prefault: true))
        var consumer = try ring.makeConsumer(options: EndpointOptions(prefault: true))
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 64, alignment: 8)
        let bytes = [UInt8](repeating: 7, count: 24)

        let board = try Board.anonymous(entries: [Board.Entry("a", capacity: 24)])
        var writer = try board.makeWriter("a")
        var reader = try board.makeReader("a")

        func exchange(_ writer: inout BoardWriter, _ reader: inout BoardReader) throws(RingError) {
            for i in 0..<UInt64(1000) {
                try writer.set(bytes)
                try writer.set(value: i)
                guard try reader.value(as: UInt64.self) == i, try reader.version == writer.version else { fatalError("another value") }
                var span = MutableRawSpan(_unsafeStart: room.baseAddress!, byteCount: 64)
                guard try reader.read(into: &span)?.byteCount == 8, try reader.changeNow() == nil else { fatalError("another value") }
            }
        }
        func round(_ producer: inout Producer, _ consumer: inout Consumer) throws(RingError) {
            for i in 0..<UInt64(1000) {
                try producer.send(value: i)
                guard try producer.trySend(bytes) else { fatalError("full") }
                var claim = try producer.claim(byteCount: 16)
                var place = claim.bytes
                place.storeBytes(of: i, as: UInt64.self)
                claim.commit()
                var batch = producer.batch()
                try batch.append(value: i)
                try batch.append(value: i)
                batch.commit()
                _ = try consumer.receive(into: UnsafeMutableRawBufferPointer(room))
                // The natural ways of reading: a message that is bound here must not end up in a box on the heap.
                if let message = try consumer.next(), message.bytes.byteCount != 24 { fatalError("another message") }
                guard let third = try consumer.next() else { fatalError("no message") }
                third.bytes.withUnsafeBytes { place in if place.count != 16 { fatalError("another message") } }
                if case .message(let fourth) = try consumer.poll() {
                    let bytes = fourth.bytes
                    if bytes.unsafeLoad(as: UInt64.self) != i { fatalError("another message") }
                }
                consumer.drain { message in _ = message.byteCount }
            }
        }
        for _ in 0..<20 { try round(&producer, &consumer) }
        for _ in 0..<20 { try exchange(&writer, &reader) }
        write(2, "steady\n", 7)
        let before = counter?() ?? 0
        for _ in 0..<20 { try round(&producer, &consumer) }
        for _ in 0..<20 { try exchange(&writer, &reader) }
        let after = counter?() ?? 0
        write(2, "over\n", 5)
        say(counter == nil ? "uncounted" : "allocations \(after - before)")
    }
}
