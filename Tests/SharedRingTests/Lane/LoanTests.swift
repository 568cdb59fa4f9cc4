import TestSupport
import Testing

@testable import SharedRing

@Suite("A consumer's state holds its invariants after every call, and its loan is one of three states", .oneByOne)
struct LoanTests {
    @Test("A loan: none, the message that is out, none again; nothing more once the consumer was ended") func states() throws {
        try SPSCRing.withEndpoints { producer, consumer in
            let reader = consumer.reader
            #expect(reader.pointee.loan == .none)
            for word in ["a", "b"] {
                try producer.send(word)
                if case .message(let message) = try consumer.poll() {
                    let loan = reader.pointee.loan
                    #expect(loan == .out(id: message.id))
                    #expect(message.text == word)
                }
                _ = try consumer.poll()
                #expect(reader.pointee.loan == .none)
                let broken = reader.pointee.checkInvariants()
                #expect(broken == nil)
            }
            reader.pointee.refuse(RingError(.ended, ring: "r", ""))
            #expect(reader.pointee.loan == .ended)
            let broken = reader.pointee.checkInvariants()
            #expect(broken == nil)
        }
    }

    @Test("Messages of any sizes, taken in any way, lap after lap", arguments: [Acknowledgement.automatic, .manual], [8, 64])
    func laps(acknowledgement: Acknowledgement, alignment: Int) throws {
        var options = RingOptions(capacity: 4096)
        options.recordAlignment = alignment
        options.firstPosition = 0 &- 8192
        let ring = try SPSCRing.anonymous(options: options)
        var producer = try ring.makeProducer()
        var consumer = try ring.makeConsumer(acknowledgement: acknowledgement)
        var sent = 0
        for step in 0..<3000 {
            while try producer.trySend([UInt8](repeating: 1, count: sent * 37 % 300)) { sent += 1 }
            switch step % 3 {
            case 0: _ = consumer.drain(limit: step % 7) { _ in }
            case 1:
                if case .message(let message) = try consumer.poll() {
                    if step % 5 == 0 { message.putBack() }
                }
            default: _ = try consumer.receive(timeout: .zero)
            }
            if step % 4 == 3 { try consumer.acknowledge() }
            if let broken = producer.checkInvariants() ?? consumer.checkInvariants() {
                Issue.record("step \(step): \(broken)")
                return
            }
        }
        #expect(sent > 1000)
    }
}
