import SharedRing

/// What an honest endpoint does, one step at a time, while `disturb` may write anything in between.
struct Actions {
    static let noise = (0..<8192).map { UInt8(truncatingIfNeeded: $0 &* 31) }

    let tally: Tally
    let disturb: (inout Choices) -> Void

    func failed(_ error: RingError) {
        tally.add(.failures)
        if error.code == .poisoned { tally.add(.poisoned) }
    }

    /// Whatever the untrusted peer writes, an endpoint's own state holds its invariants. A crash is what the fuzzer finds.
    private func check(_ broken: String?) {
        if let broken { fatalError("an invariant is broken: \(broken)") }
    }

    // MARK: Choosing

    private func timeout(_ choices: inout Choices) -> Duration { choices.once(in: 64) ? .microseconds(300) : .zero }

    private func size(_ largest: Int, _ choices: inout Choices) -> Int {
        switch choices.below(8) {
        case 0: 0
        case 1...3: choices.below(40)
        case 4: choices.below(600)
        case 5: largest - choices.below(20)
        case 6: largest + 1 + choices.below(3)
        default: choices.below(4096)
        }
    }

    private func withNoise(_ count: Int, _ body: (UnsafeRawBufferPointer) throws(RingError) -> Void) throws(RingError) {
        try Self.noise.withUnsafeBufferPointer { (noise) throws(RingError) in
            try body(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(noise).prefix(count)))
        }
    }

    // MARK: Producing

    func act(_ producer: inout Producer, _ choices: inout Choices) {
        do throws(RingError) {
            let size = size(producer.largestMessage, &choices)
            let tag = UInt32(choices.below(256))
            switch choices.below(12) {
            case 0...2: try withNoise(size) { bytes throws(RingError) in try producer.send(bytes, tag: tag, timeout: timeout(&choices)) }
            case 3, 4: try withNoise(size) { bytes throws(RingError) in _ = try producer.trySend(bytes, tag: tag) }
            case 5: try producer.send(value: UInt64(size), timeout: .zero)
            case 6, 7: try claim(size, &producer, &choices)
            case 8, 9: try batch(&producer, &choices)
            case 10:
                let free = producer.freeBytes
                if free > 0 { try withNoise(free) { bytes throws(RingError) in _ = try producer.trySend(bytes) } }
            default:
                _ = producer.isPeerAttached
                if choices.once(in: 2) { try producer.waitForPeer(timeout: .zero) }
                try producer.waitUntilAcknowledged(timeout: timeout(&choices))
            }
            tally.add(.sent)
        } catch {
            failed(error)
        }
        check(producer.checkInvariants())
    }

    private func claim(_ size: Int, _ producer: inout Producer, _ choices: inout Choices) throws(RingError) {
        let size = choices.once(in: 32) ? -1 - size : size
        var claim = try producer.claim(byteCount: size, timeout: .zero)
        if choices.once(in: 4) { disturb(&choices) }
        var bytes = claim.bytes
        bytes.withUnsafeMutableBytes { for index in $0.indices { $0[index] = 0x43 } }
        switch choices.below(4) {
        case 0: break
        case 1: claim.commit(tag: 7)
        case 2: try claim.commit(byteCount: choices.below(size + 2))
        default: try claim.commit(byteCount: min(size, choices.below(24)))
        }
    }

    private func batch(_ producer: inout Producer, _ choices: inout Choices) throws(RingError) {
        let largest = producer.largestMessage
        var batch = producer.batch()
        for _ in 0..<choices.below(8) {
            switch choices.below(8) {
            case 0: disturb(&choices)
            case 1: batch.flush()
            case 2: try batch.append(value: UInt32(choices.below(256)), timeout: .zero)
            case 3: try batch.append([UInt8](repeating: 0x44, count: size(largest, &choices)), timeout: .zero)
            default: _ = try batch.tryAppend([UInt8](repeating: 0x45, count: choices.below(100)).span.bytes)
            }
        }
        if choices.below(3) > 0 { batch.commit() }
    }

    // MARK: Consuming

    /// Reads every byte, which is the point of it all.
    func read(_ message: borrowing Message, _ choices: inout Choices) {
        if choices.once(in: 8) { disturb(&choices) }
        let sum = message.bytes.withUnsafeBytes { bytes in bytes.reduce(into: UInt64(message.tag)) { $0 = $0 &* 31 &+ UInt64($1) } }
        // Kept, so that the reads are.
        if sum == 0x5eed { tally.add(.bytes) }
        tally.add(.received)
        tally.add(.bytes, message.byteCount)
        _ = (message.lane, message.sequence, message.integer(as: UInt32.self))
        if choices.once(in: 32) { _ = (message.text, message.array) }
    }

    private func consume(_ message: consuming Message, _ choices: inout Choices) {
        read(message, &choices)
        if choices.once(in: 8) { message.putBack() }
    }

    func act(_ consumer: inout Consumer, _ choices: inout Choices) {
        do throws(RingError) {
            switch choices.below(6) {
            case 0: if case .message(let message) = try consumer.poll() { consume(message, &choices) }
            case 1:
                try consumer.acknowledge()
                _ = consumer.isPeerAttached
            case 2: if choices.once(in: 8) { _ = try consumer.removeRingIfUnused() } else { try consumer.waitForPeer(timeout: .zero) }
            case 3: consumer.drain(limit: choices.once(in: 2) ? 2000 : choices.below(20)) { read($0, &choices) }
            default: try actAsSource(&consumer, &choices)
            }
        } catch {
            failed(error)
        }
        check(consumer.checkInvariants())
    }

    func act(_ subscriber: inout Subscriber, _ choices: inout Choices) {
        do throws(RingError) {
            switch choices.below(6) {
            case 0: if case .message(let message) = try subscriber.poll() { consume(message, &choices) }
            case 1:
                try subscriber.acknowledge()
                _ = (subscriber.isPeerAttached, subscriber.missed, subscriber.sentBefore)
            case 2: try subscriber.waitForPeer(timeout: .zero)
            case 3: subscriber.drain(limit: choices.once(in: 2) ? 2000 : choices.below(20)) { read($0, &choices) }
            default: try actAsSource(&subscriber, &choices)
            }
        } catch {
            failed(error)
        }
        check(subscriber.checkInvariants())
    }

    func act(_ consumer: inout MergingConsumer, _ choices: inout Choices) {
        do throws(RingError) {
            switch choices.below(6) {
            case 0: if case .message(let message) = try consumer.poll() { consume(message, &choices) }
            case 1:
                try consumer.acknowledge()
                _ = (consumer.isPeerAttached, consumer.ends)
            case 2: if choices.once(in: 8) { _ = try consumer.removeRingIfUnused() } else { try consumer.waitForPeer(timeout: .zero) }
            case 3: consumer.drain(limit: choices.once(in: 2) ? 2000 : choices.below(20)) { read($0, &choices) }
            default: try actAsSource(&consumer, &choices)
            }
        } catch {
            failed(error)
        }
        check(consumer.checkInvariants())
    }

    private func actAsSource<Source: MessageSource & ~Copyable>(_ source: inout Source, _ choices: inout Choices) throws(RingError) {
        switch choices.below(4) {
        case 0: if let message = source.nextIfAvailable() { consume(message, &choices) }
        case 1:
            let room = [16, 256, 8192][choices.below(3)]
            try withUnsafeTemporaryAllocation(byteCount: room, alignment: 8) { (buffer) throws(RingError) in
                if let received = try source.receive(into: buffer, timeout: .zero) { tally.add(.bytes, received.byteCount) }
            }
        case 2: if let bytes = try source.receive(timeout: .zero) { tally.add(.bytes, bytes.count) }
        default: if let message = try source.next(timeout: timeout(&choices)) { consume(message, &choices) }
        }
    }
}
