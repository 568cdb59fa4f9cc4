import Foundation
import TestSupport
import Testing

@testable import SharedRing

@Suite("Whatever has bytes can be sent, by every way of sending", .oneByOne)
struct AsyncFormsTests {
    /// A collection of which the bytes do not lie in one piece, and which may lie about its count.
    private struct Scattered: Collection {
        var bytes: [UInt8]
        var said: Int
        var startIndex: Int { 0 }
        var endIndex: Int { bytes.count }
        var count: Int { said }
        subscript(index: Int) -> UInt8 { bytes[index] }
        func index(after index: Int) -> Int { index + 1 }
    }

    private static let bytes: [UInt8] = [1, 2, 3, 4, 5, 6, 7, 8]
    private static let value = UInt64(0x0807_0605_0403_0201)

    /// All that is in the ring: the bytes and the tag.
    private func take(_ consumer: inout Consumer) -> [(bytes: [UInt8], tag: UInt32)] {
        var taken: [(bytes: [UInt8], tag: UInt32)] = []
        while let message = consumer.nextIfAvailable() { taken.append((message.array, message.tag)) }
        return taken
    }

    private func expectNine(_ consumer: inout Consumer, sourceLocation: SourceLocation = #_sourceLocation) {
        let taken = take(&consumer)
        #expect(taken.map(\.tag) == [1, 2, 3, 4, 5, 6, 7, 8, 9], sourceLocation: sourceLocation)
        let texts = [3: Array("text".utf8)]
        for (number, message) in taken.enumerated() {
            #expect(message.bytes == texts[number] ?? Self.bytes, "number \(number)", sourceLocation: sourceLocation)
        }
    }

    @Test("send, trySend, append, tryAppend: string, array, slice, Data, another collection, spans, buffer, value; with tags")
    func synchronous() throws {
        try SPSCRing.withEndpoints { producer, consumer in
            let bytes = Self.bytes
            let scattered = Scattered(bytes: bytes, said: 8)
            let longer = [0] + bytes + [0]
            try producer.send(bytes, tag: 1)
            try producer.send(bytes.span, tag: 2)
            try producer.send(bytes.span.bytes, tag: 3)
            try producer.send("text", tag: 4)
            try producer.send(longer[1...8], tag: 5)
            try producer.send(Data(bytes), tag: 6)
            try producer.send(scattered, tag: 7)
            try bytes.withUnsafeBytes { buffer in try producer.send(buffer, tag: 8) }
            try producer.send(value: Self.value, tag: 9)
            expectNine(&consumer)

            #expect(try producer.trySend(bytes, tag: 1))
            #expect(try producer.trySend(bytes.span, tag: 2))
            #expect(try producer.trySend(bytes.span.bytes, tag: 3))
            #expect(try producer.trySend("text", tag: 4))
            #expect(try producer.trySend(longer[1...8], tag: 5))
            #expect(try producer.trySend(Data(bytes), tag: 6))
            #expect(try producer.trySend(scattered, tag: 7))
            #expect(try bytes.withUnsafeBytes { buffer in try producer.trySend(buffer, tag: 8) })
            #expect(try producer.trySend(value: Self.value, tag: 9))
            expectNine(&consumer)

            var batch = producer.batch()
            try batch.append(bytes, tag: 1)
            try batch.append(bytes.span, tag: 2)
            try batch.append(bytes.span.bytes, tag: 3)
            try batch.append("text", tag: 4)
            try batch.append(longer[1...8], tag: 5)
            try batch.append(Data(bytes), tag: 6)
            try batch.append(scattered, tag: 7)
            try bytes.withUnsafeBytes { buffer in try batch.append(buffer, tag: 8) }
            try batch.append(value: Self.value, tag: 9)
            batch.commit()
            expectNine(&consumer)

            batch = producer.batch()
            var appended = try batch.tryAppend(bytes, tag: 1)
            appended = try batch.tryAppend(bytes.span, tag: 2) && appended
            appended = try batch.tryAppend(bytes.span.bytes, tag: 3) && appended
            appended = try batch.tryAppend("text", tag: 4) && appended
            appended = try batch.tryAppend(longer[1...8], tag: 5) && appended
            appended = try batch.tryAppend(Data(bytes), tag: 6) && appended
            appended = try batch.tryAppend(scattered, tag: 7) && appended
            appended = try bytes.withUnsafeBytes { buffer in try batch.tryAppend(buffer, tag: 8) } && appended
            appended = try batch.tryAppend(value: Self.value, tag: 9) && appended
            batch.commit()
            #expect(appended)
            expectNine(&consumer)
        }
    }

    @Test("The same in a task") func asynchronous() async throws {
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        var producer = try ring.makeProducer()
        var consumer = try ring.makeConsumer()
        let bytes = Self.bytes
        let scattered = Scattered(bytes: bytes, said: 8)
        let longer = [0] + bytes + [0]
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 8, alignment: 8)
        defer { buffer.deallocate() }
        buffer.copyBytes(from: bytes)
        try await producer.send(bytes, tag: 1)
        try await producer.send(bytes.span, tag: 2)
        try await producer.send(bytes.span.bytes, tag: 3)
        try await producer.send("text", tag: 4)
        try await producer.send(longer[1...8], tag: 5)
        try await producer.send(Data(bytes), tag: 6)
        try await producer.send(scattered, tag: 7)
        try await producer.send(UnsafeRawBufferPointer(buffer), tag: 8)
        try await producer.send(value: Self.value, tag: 9)
        expectNine(&consumer)

        var batch = producer.batch()
        try await batch.append(bytes, tag: 1)
        try await batch.append(bytes.span, tag: 2)
        try await batch.append(bytes.span.bytes, tag: 3)
        try await batch.append("text", tag: 4)
        try await batch.append(longer[1...8], tag: 5)
        try await batch.append(Data(bytes), tag: 6)
        try await batch.append(scattered, tag: 7)
        try await batch.append(UnsafeRawBufferPointer(buffer), tag: 8)
        try await batch.append(value: Self.value, tag: 9)
        batch.commit()
        expectNine(&consumer)
    }

    @Test("A collection that lies about its count sends no more than it has and no more than it said, or is refused") func liars() throws {
        try SPSCRing.withEndpoints { producer, consumer in
            try producer.send(Scattered(bytes: [1, 2, 3], said: 2))
            try producer.send(Scattered(bytes: [1, 2, 3], said: 8))
            try producer.send(Scattered(bytes: [], said: 0))
            #expect(take(&consumer).map(\.bytes) == [[1, 2], [1, 2, 3], []])
            let negative = Scattered(bytes: [1], said: -1)
            expectError(.messageTooLarge) { () throws(RingError) in try producer.send(negative) }
            expectError(.messageTooLarge) { () throws(RingError) in _ = try producer.trySend(negative) }
            var batch = producer.batch()
            expectError(.messageTooLarge) { () throws(RingError) in try batch.append(negative) }
            expectError(.messageTooLarge) { () throws(RingError) in _ = try batch.tryAppend(negative) }
            batch.commit()
            #expect(take(&consumer).isEmpty)
        }
    }
}
