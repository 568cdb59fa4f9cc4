import Foundation
import TestSupport
import Testing

@testable import SharedRing

@Suite("A link's path is bytes: two that look the same are two, and one that is no text can be used", .oneByOne)
struct LinkPathTests {
    let place = Place()

    private func path(_ name: [UInt8]) -> FileName { FileName(bytes: Array("\(place.path)/".utf8) + name) }

    /// The names in the directory, as the kernel has them.
    private var names: Set<FileName> { Set((try? Segment.fileNames(in: FileName(place.path))) ?? []) }

    /// That a client of this path is the listener's, and of no other.
    private func expectOwnClient(of listener: LinkListener, at path: FileName) throws {
        let worker = Worker { Box(try Link.connect(named: path, timeout: patience)) }
        var server = try listener.accept(timeout: patience)
        var client = try worker.join().take()
        try client.producer.send("\(path)")
        #expect(try server.consumer.next(timeout: patience)?.text == "\(path)")
        try client.close()
        try server.close()
    }

    @Test("Two normalisations of a name, as text and as bytes, and a name that is no text: three listeners, each with its own clients")
    func apart() throws {
        let (composed, decomposed) = ("\(place.path)/caf\u{e9}", "\(place.path)/cafe\u{301}")
        #expect(composed == decomposed, "that this shows anything: as text they are equal")
        let broken = path([0x63, 0x61, 0x66, 0xe9])
        let listeners = [
            try LinkListener(path: composed), try LinkListener(named: FileName(decomposed)), try LinkListener(named: broken),
        ]
        #expect(Set(listeners.map(\.fileName)) == [FileName(composed), FileName(decomposed), broken])
        #expect(listeners[2].path == "\(place.path)/caf\u{FFFD}" && listeners[0].path.utf8.elementsEqual(composed.utf8))
        #expect(names.count == 6, "each has a socket and a lock")
        for listener in listeners { try expectOwnClient(of: listener, at: listener.fileName) }
        // Each removes what is its own.
        listeners[2].close()
        #expect(!names.contains(FileName(bytes: [0x63, 0x61, 0x66, 0xe9])) && names.count == 4)
        listeners[1].close()
        #expect(names == [FileName("caf\u{e9}"), FileName("caf\u{e9}.lock")])
        try expectOwnClient(of: listeners[0], at: FileName(composed))
        listeners[0].close()
        #expect(names.isEmpty)
    }

    @Test("A path in a directory that is no text, in a task too") func directory() async throws {
        let directory = path([0xff])
        #expect(directory.withCString { mkdir($0, 0o700) } == 0)
        let socket = FileName(bytes: directory.bytes + Array("/s".utf8))
        let listener = try LinkListener(named: socket)
        async let connected = Box(Link.connect(named: socket, timeout: asyncPatience))
        let server = try await listener.accept(timeout: asyncPatience)
        let client = try await connected.take()
        try client.close()
        try server.close()
        listener.close()
        #expect(directory.withCString { rmdir($0) } == 0, "nothing is left in it")
    }

    @Test("Errors name the path on one line, byte for byte") func errors() throws {
        let broken = path([0x0a, 0xe9])
        expectError(.notFound, saying: #"/\n\xE9'"#) { () throws(RingError) in _ = try Link.connect(named: broken) }
        let listener = try LinkListener(named: broken)
        expectError(.inUse, saying: #"/\n\xE9'"#, #"/\n\xE9.lock'"#) { () throws(RingError) in _ = try LinkListener(named: broken) }
        listener.close()
        for (bytes, fact) in [([], "empty"), ([0x61, 0], "NUL"), ([UInt8](repeating: 0xe9, count: 108), "108")] {
            expectError(.invalidName, saying: fact) { () throws(RingError) in _ = try Link.connect(named: FileName(bytes: bytes)) }
            expectError(.invalidName, saying: fact) { () throws(RingError) in _ = try LinkListener(named: FileName(bytes: bytes)) }
        }
        expectError(.invalidName, saying: "slash") { () throws(RingError) in _ = try LinkListener(named: path([0xe9, 0x2f])) }
    }
}
