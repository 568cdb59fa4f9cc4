import Foundation
import SharedRing

/// How fast bursts are received, from the first message's sending to the last one's acknowledgement; between them the
/// consumer falls asleep. The ways take turns, so that they meet the same machine.
struct Bursts {
    let size: Int
    let count: Int

    private let bursts = 200
    private let rounds = 7

    func run() async throws {
        let ways: [(String, (consuming Consumer) async throws -> Void)] = [
            ("synchronous next", synchronous), ("forEach", forEach), ("ready and nextIfAvailable", ready), ("messages", messages),
        ]
        var rates = [[Double]](repeating: [], count: ways.count)
        for _ in 0..<rounds {
            for (index, way) in ways.enumerated() {
                let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 1 << 22))
                let endpoint = EndpointOptions(prefault: true)
                let rate = Handover(0.0)
                let sender = Handover(try ring.makeProducer(options: endpoint))
                let (size, count, bursts) = (size, count, bursts)
                let thread = Thread { rate.value = try? Self.send(sender.value.take()!, size, count, bursts) }
                let consumer = try ring.makeConsumer(options: endpoint)
                thread.start()
                try await way.1(consumer)
                while !thread.isFinished { usleep(100) }
                rates[index].append(rate.value ?? 0)
            }
        }
        let base = rates[0].median
        for (index, way) in ways.enumerated() {
            let median = rates[index].median
            print(
                String(
                    format: "%@: %.2f M messages/s, %.0f %% of synchronous, lowest %.2f, highest %.2f",
                    way.0, median / 1e6, median / base * 100, rates[index].min()! / 1e6, rates[index].max()! / 1e6))
        }
    }

    private static func send(_ sender: consuming Producer, _ size: Int, _ count: Int, _ bursts: Int) throws -> Double {
        let bytes = [UInt8](repeating: 1, count: size)
        var active = 0.0
        for _ in 0..<bursts {
            usleep(300)
            let start = now()
            for _ in 0..<count { try sender.send(bytes) }
            try sender.waitUntilAcknowledged()
            active += now() - start
        }
        try sender.close()
        return Double(count * bursts) / active
    }

    private func check(_ received: Int, _ sum: Int) {
        precondition(received == count * bursts && sum == received, "\(received) messages came, of \(count * bursts)")
    }

    private func synchronous(_ consumer: consuming Consumer) async throws {
        let (received, sum) = try Self.block(&consumer)
        check(received, sum)
    }

    private static func block(_ consumer: inout Consumer) throws -> (Int, Int) {
        var (received, sum) = (0, 0)
        while let message = try consumer.next() {
            received += 1
            sum += Int(message.bytes.unsafeLoad(fromByteOffset: 0, as: UInt8.self))
        }
        return (received, sum)
    }

    private func forEach(_ consumer: consuming Consumer) async throws {
        var (received, sum) = (0, 0)
        try await consumer.forEach { message in
            received += 1
            sum += Int(message.bytes.unsafeLoad(fromByteOffset: 0, as: UInt8.self))
        }
        check(received, sum)
    }

    private func ready(_ consumer: consuming Consumer) async throws {
        var (received, sum) = (0, 0)
        receiving: while true {
            try await consumer.waitUntilReady()
            while let message = consumer.nextIfAvailable() {
                received += 1
                sum += Int(message.bytes.unsafeLoad(fromByteOffset: 0, as: UInt8.self))
            }
            switch try consumer.poll() {
            case .message(let message):
                received += 1
                sum += Int(message.bytes.unsafeLoad(fromByteOffset: 0, as: UInt8.self))
            case .empty: continue receiving
            case .ended: break receiving
            }
        }
        check(received, sum)
    }

    private func messages(_ consumer: consuming Consumer) async throws {
        var (received, sum) = (0, 0)
        for try await message in consumer.messages() {
            received += 1
            sum += Int(message.bytes[0])
        }
        check(received, sum)
    }
}
