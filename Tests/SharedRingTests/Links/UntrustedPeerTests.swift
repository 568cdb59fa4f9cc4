import CSharedRing
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import SharedRing

private var soon: Int64 { Deadline(after: patience).nanoseconds }

/// A raw socket, to say with it what no link says.
private struct Raw {
    let descriptor: Descriptor

    func send(_ bytes: [UInt8], _ descriptors: [Int32] = []) {
        var list = descriptors + [0]
        #expect(descriptor.withNumber { sr_socket_send($0, bytes, UInt32(bytes.count), &list, UInt32(descriptors.count), soon) } == 0)
    }

    func hangUp() { _ = descriptor.withNumber { sr_socket_shut($0) } }

    /// The kind of the packet that comes; nil: a hang-up.
    func kind() -> UInt32? {
        var packet = sr_link_packet()
        var list: [Int32] = [-1, -1]
        var count: UInt32 = 0
        let size = withUnsafeMutableBytes(of: &packet) { bytes in
            descriptor.withNumber { sr_socket_receive($0, bytes.baseAddress!, 64, &list, &count, soon) }
        }
        list.prefix(Int(count)).forEach { _ = sr_close($0) }
        return size == 64 ? packet.kind : nil
    }
}

private func packet(_ kind: Int32, magic: UInt64 = UInt64(SR_LINK_MAGIC), oldest: UInt16 = 1, newest: UInt16 = 1) -> [UInt8] {
    var packet = sr_link_packet()
    packet.magic = magic
    packet.kind = UInt32(kind)
    packet.oldest = oldest
    packet.newest = newest
    return withUnsafeBytes(of: packet) { Array($0) }
}

/// What an untrusted peer says first, and what the listener makes of it.
struct Opening: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let bytes: [UInt8]
    var descriptorCount = 0
    let expected: RingError.Code
    var answer: UInt32? = UInt32(SR_LINK_REFUSAL)
}

private let openings = [
    Opening(testDescription: "another magic", bytes: packet(SR_LINK_HELLO, magic: 1), expected: .handshakeFailed),
    Opening(testDescription: "one byte", bytes: [7], expected: .handshakeFailed),
    Opening(testDescription: "too short", bytes: Array(packet(SR_LINK_HELLO).dropLast()), expected: .handshakeFailed),
    Opening(testDescription: "too long", bytes: packet(SR_LINK_HELLO) + [0], expected: .handshakeFailed),
    Opening(testDescription: "a great deal", bytes: [UInt8](repeating: 0x53, count: 100_000), expected: .handshakeFailed),
    Opening(testDescription: "a welcome", bytes: packet(SR_LINK_WELCOME), expected: .handshakeFailed),
    Opening(testDescription: "a kind that is none", bytes: packet(99), expected: .handshakeFailed),
    Opening(testDescription: "with a descriptor", bytes: packet(SR_LINK_HELLO), descriptorCount: 1, expected: .handshakeFailed),
    Opening(testDescription: "a later version only", bytes: packet(SR_LINK_HELLO, oldest: 2, newest: 7), expected: .incompatible),
    Opening(testDescription: "an earlier version only", bytes: packet(SR_LINK_HELLO, oldest: 0, newest: 0), expected: .incompatible),
]

@Suite("Links: untrusted peers at the socket", .oneByOne)
struct UntrustedPeerTests {
    private let place = Place()
    private var path: String { place.path("service") }

    private func options(handshake: Duration = patience) -> LinkOptions {
        var options = LinkOptions()
        options.ring.capacity = 4096
        options.handshakeTimeout = handshake
        return options
    }

    private func connect() throws -> Raw {
        let result = sr_socket_connect(path, soon)
        try #require(result >= 0)
        return Raw(descriptor: Descriptor(result))
    }

    /// What the listener says of one untrusted peer, after whom a real client gets its link.
    private func refusal(handshake: Duration = patience, _ untrusted: (Raw) throws -> Void) throws -> RingError.Code? {
        let listener = try LinkListener(path: path, options: options(handshake: handshake))
        defer { listener.close() }
        let raw = try connect()
        let codes = Mutex<[RingError.Code]>([])
        let worker = Worker {
            var link = try listener.accept(timeout: patience) { error in codes.withLock { $0.append(error.code) } }
            try link.producer.send("welcome")
            _ = try link.consumer.next(timeout: patience)
        }
        try untrusted(raw)
        #expect(eventually { codes.withLock { !$0.isEmpty } })
        var link = try Link.connect(path: path, options: options(), timeout: patience)
        #expect(try link.consumer.next(timeout: patience)?.text == "welcome")
        try link.close()
        try worker.join()
        #expect(codes.withLock { $0.count } == 1)
        return codes.withLock { $0.first }
    }

    @Test("What is no hello is refused, and the next client served", arguments: openings) func opening(opening: Opening) throws {
        let code = try refusal { raw in
            raw.send(opening.bytes, [Int32](repeating: 0, count: opening.descriptorCount))
            #expect(raw.kind() == opening.answer)
        }
        #expect(code == opening.expected)
    }

    @Test("A client that says nothing is given up after its handshake's time") func silent() throws {
        let listener = try LinkListener(path: path, options: options(handshake: .milliseconds(20)))
        let raw = try connect()
        let codes = Mutex<[RingError.Code]>([])
        let worker = Worker {
            expectError(.cancelled) { () throws(RingError) in
                _ = try listener.accept { error in codes.withLock { $0.append(error.code) } }
            }
        }
        #expect(eventually { codes.withLock { $0 == [.handshakeFailed] } })
        #expect(raw.kind() == nil, "it hung up")
        listener.close()
        try worker.join()
    }

    @Test("Who hangs up at any step is no client") func hangUp() throws {
        #expect(try refusal { raw in raw.hangUp() } == .peerDied)
        let later = try refusal { raw in
            raw.send(packet(SR_LINK_HELLO))
            #expect(raw.kind() == UInt32(SR_LINK_WELCOME))
            raw.hangUp()
        }
        #expect(later == .peerDied)
    }

    @Test("Who is welcomed and then says something else is no client") func wrongSecond() throws {
        let code = try refusal { raw in
            raw.send(packet(SR_LINK_HELLO))
            #expect(raw.kind() == UInt32(SR_LINK_WELCOME))
            raw.send(packet(SR_LINK_HELLO))
        }
        #expect(code == .handshakeFailed)
    }

    /// What a client throws at a listener that answers its hello so.
    private func codeOfClient(handshake: Duration = patience, _ answer: @escaping @Sendable (Raw) -> Void) throws -> RingError.Code? {
        let listening = sr_socket_listen(path, 0o600)
        try #require(listening >= 0)
        defer {
            _ = sr_close(listening)
            unlink(path)
        }
        let worker = Worker {
            let raw = Raw(descriptor: Descriptor(sr_socket_accept(listening, soon)))
            #expect(raw.kind() == UInt32(SR_LINK_HELLO))
            answer(raw)
            return raw
        }
        defer { _ = try? worker.join() }
        do throws(RingError) {
            _ = try Link.connect(path: path, options: options(handshake: handshake))
            return nil
        } catch {
            return error.code
        }
    }

    @Test("A listener that is none gets typed errors from its client") func falseListener() throws {
        #expect(try codeOfClient { $0.send([1, 2, 3]) } == .handshakeFailed)
        #expect(try codeOfClient { $0.send(packet(SR_LINK_WELCOME)) } == .handshakeFailed)
        #expect(try codeOfClient { $0.send(packet(SR_LINK_WELCOME), [0]) } == .handshakeFailed)
        #expect(try codeOfClient { $0.send(packet(SR_LINK_WELCOME), [0, 0, 0]) } == .handshakeFailed)
        #expect(try codeOfClient { $0.send(packet(SR_LINK_WELCOME, oldest: 9, newest: 9), [0, 0]) } == .incompatible)
        #expect(try codeOfClient { $0.send(packet(SR_LINK_REFUSAL)) } == .system)
        #expect(try codeOfClient { $0.hangUp() } == .peerDied)
        #expect(try codeOfClient(handshake: .milliseconds(100)) { _ in } == .handshakeFailed)
    }

    @Test("Descriptors that are no sealed rings are refused") func falseRings() throws {
        let pipe = try codeOfClient { raw in
            var ends: [Int32] = [0, 0]
            #expect(Glibc.pipe(&ends) == 0)
            raw.send(packet(SR_LINK_WELCOME), ends)
            ends.forEach { close($0) }
        }
        #expect(pipe == .notARing)
        let unsealed = try codeOfClient { raw in
            let memory = sr_memfd("unsealed")
            raw.send(packet(SR_LINK_WELCOME), [memory, memory])
            _ = sr_close(memory)
        }
        #expect(unsealed == .notSealed)
    }
}
