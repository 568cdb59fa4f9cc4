import CSharedRing
import TestSupport
import Testing

@testable import SharedRing

@Suite("The lines of the next message are taken ahead, where messages are far between", .oneByOne)
struct AheadTests {
    /// Has the next commits take lines ahead, whatever the time between them.
    private func takeAhead(_ producer: borrowing Producer) { producer.writer.pointee.doorbell = LaneWriter.alwaysSet }

    @Test("Unread messages stay whole up to a full ring, whatever their size", arguments: [0, 8, 56, 64, 200, 1000, 1500])
    func full(size: Int) throws {
        try SPSCRing.withEndpoints { producer, consumer in
            for lap in 0..<20 {
                var sent = 0
                while true {
                    takeAhead(producer)
                    guard try producer.trySend([UInt8](repeating: 0xff, count: size), tag: UInt32(sent)) else { break }
                    sent += 1
                    let wrong = producer.writer.pointee.checkInvariants()
                    #expect(wrong == nil)
                }
                #expect(sent > 0)
                var (received, damaged) = (0, 0)
                // Some stay for the next lap, so that the ring fills up anywhere.
                while received < sent - lap % 3 {
                    guard let message = consumer.nextIfAvailable() else { break }
                    let bytes = message.array
                    if message.tag != UInt32(received) || bytes.contains(where: { $0 != 0xff }) { damaged += 1 }
                    received += 1
                }
                #expect(received == sent - lap % 3 && damaged == 0)
                consumer.drain { _ in }
            }
        }
    }

    @Test("The end of a stream leaves unread messages whole, wherever it is", arguments: [200, 500, 1000])
    func end(size: Int) throws {
        let most = (4096 - 24) / ((size + 8 + 7) / 8 * 8)
        for shift in 0...most {
            // Not until the ring is full: what is found full is worked out anew.
            for count in 1...most {
                let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
                var producer = try ring.makeProducer()
                var consumer = try ring.makeConsumer()
                for _ in 0..<shift { try producer.send([UInt8](repeating: 0xff, count: size), timeout: .zero) }
                consumer.drain { _ in }
                var sent = 0
                for _ in 0..<count {
                    takeAhead(producer)
                    if try producer.trySend([UInt8](repeating: 0xff, count: size)) { sent += 1 }
                }
                takeAhead(producer)
                try producer.close()
                var (received, damaged) = (0, 0)
                while let message = try consumer.next(timeout: .zero) {
                    let bytes = message.array
                    if bytes.count != size || bytes.contains(where: { $0 != 0xff }) { damaged += 1 }
                    received += 1
                }
                #expect(received == sent && damaged == 0, "\(count) messages behind \(shift)")
            }
        }
    }

    @Test("With a run of messages each line of the next one is stored to, behind a commit and nowhere else") func lines() throws {
        try SPSCRing.withEndpoints { producer, consumer in
            let size = 200
            // Two laps make a run, and leave bytes that are not 0.
            for _ in 0..<40 {
                try producer.send([UInt8](repeating: 0xff, count: size))
                consumer.drain { _ in }
            }
            let writer = producer.writer
            try #require(writer.pointee.runSize == size)
            for _ in 0..<40 {
                takeAhead(producer)
                try producer.send([UInt8](repeating: 0xff, count: size))
                consumer.drain { _ in }
                // Not where a window was opened or the mapping begins anew meanwhile.
                guard writer.pointee.isAhead, writer.isReady(for: size) else { continue }
                let cursor = writer.pointee.cursor
                let first = 64 - Int(bitPattern: cursor) & 63
                for line in stride(from: first, through: Int(writer.pointee.runSpacing), by: 64) {
                    #expect(cursor.load(fromByteOffset: line, as: UInt64.self) == 0)
                }
            }
        }
    }

    @Test("A stream is no exchange: what is far between depends on the size")
    func farBetween() {
        func isFar(_ nanoseconds: Int64, _ size: Int) -> Bool {
            LaneWriter.isFarBetween(nanoseconds: nanoseconds * 100, messages: 100, size: size)
        }
        #expect(!isFar(3, 8) && isFar(100, 8))
        #expect(!isFar(30, 1024) && !isFar(240, 1024) && isFar(400, 1024))
        #expect(!isFar(0, 0) && isFar(.max / 100, 0) && !isFar(.max / 100, .max))
        #expect(!LaneWriter.isFarBetween(nanoseconds: 5, messages: .max, size: 0))
    }

    @Test("A consumer that sleeps is woken by a commit that takes lines ahead, too") func wakes() throws {
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        var producer = try ring.makeProducer()
        let box = Box(try ring.makeConsumer(waiting: .sleep, options: EndpointOptions(checkInterval: .seconds(600))))
        let control = producer.core.attachment
        let worker = Worker {
            var consumer = box.take()
            for _ in 0..<20 { if try consumer.next(timeout: patience) == nil { break } }
        }
        for _ in 0..<20 {
            #expect(eventually { sr_load_acquire_u32(sr_consumer_doorbell(control.consumer)) == 1 }, "it sleeps")
            takeAhead(producer)
            try producer.send("wake up")
        }
        try worker.join()
    }
}
