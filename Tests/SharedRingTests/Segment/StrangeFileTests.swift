import CSharedRing
import Foundation
import TestSupport
import Testing

@testable import SharedRing

@Suite("What is not a ring is refused by what it is, and left as it was", .oneByOne)
struct StrangeFileTests {
    let place = Place()

    private func refuse(_ name: String, _ code: RingError.Code, _ fact: String, sourceLocation: SourceLocation = #_sourceLocation) {
        let options = place.options()
        expectError(code, saying: "'\(name)'", fact, sourceLocation: sourceLocation) { () throws(RingError) in
            _ = try SPSCRing.open(name, options: options)
        }
        expectError(code, saying: fact, sourceLocation: sourceLocation) { () throws(RingError) in
            _ = try SPSCRing.openOrCreate(name, options: options)
        }
        expectError(code, saying: fact, sourceLocation: sourceLocation) { () throws(RingError) in
            try SPSCRing.remove(name, options: options)
        }
        #expect(place.names.contains(name), "left in place", sourceLocation: sourceLocation)
    }

    @Test("Directories, FIFOs, sockets and symbolic links, also dangling ones") func kinds() throws {
        mkdir(place.path("directory"), 0o700)
        mkfifo(place.path("fifo"), 0o600)
        _ = try SPSCRing.create("real", options: place.options())
        symlink("real", place.path("link"))
        symlink("nowhere", place.path("dangling"))
        let listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(listener) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: place.path("socket").utf8) }
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
        }
        #expect(bound == 0)

        refuse("directory", .notARing, "a directory")
        refuse("fifo", .notARing, "a FIFO")
        refuse("link", .notARing, "a symbolic link")
        refuse("dangling", .notARing, "a symbolic link")
        refuse("socket", .notARing, "a socket")
        #expect(!place.names.contains("nowhere"), "a dangling link is not created through")
    }

    @Test("A device node", .enabled(if: geteuid() == 0, "making one needs root")) func device() {
        guard mknod(place.path("null"), S_IFCHR | 0o600, 1 << 8 | 3) == 0 else { return }
        refuse("null", .notARing, "a character device")
    }

    @Test("Files that are empty, short, or of another program") func contents() throws {
        for (name, data, fact) in [
            ("empty", Data(), "0 bytes"), ("short", Data(repeating: 0, count: 255), "255 bytes"),
            ("text", Data(repeating: 0x41, count: 5000), "0x4141414141414141"), ("zeros", Data(count: 20_000), "0x0"),
        ] {
            try data.write(to: URL(fileURLWithPath: place.path(name)))
            refuse(name, .notARing, fact)
            #expect(try Data(contentsOf: URL(fileURLWithPath: place.path(name))) == data)
        }
    }

    @Test("A file with two names") func hardLink() throws {
        _ = try SPSCRing.create("one", options: place.options())
        link(place.path("one"), place.path("two"))
        refuse("one", .notARing, "2 names")
    }

    @Test("A truncated, an extended and a sparse file") func sizes() throws {
        for (name, size, fact) in [("truncated", 8192, "its file has 8192"), ("extended", 16384, "its file has 16384")] {
            _ = try SPSCRing.create(name, options: place.options())
            truncate(place.path(name), size)
            refuse(name, .damaged, fact)
        }
        _ = try SPSCRing.create("sparse", options: place.options(capacity: 65536))
        let data = try Data(contentsOf: URL(fileURLWithPath: place.path("sparse")))
        let handle = open(place.path("sparse"), O_RDWR)
        ftruncate(handle, 0)
        ftruncate(handle, data.count)
        _ = data.withUnsafeBytes { write(handle, $0.baseAddress!, 8192) }
        close(handle)
        refuse("sparse", .damaged, "holes")
    }

    @Test("A foreign user's file, unless that user is allowed", .enabled(if: geteuid() == 0, "chown needs root")) func owner() throws {
        _ = try SPSCRing.create("a", options: place.options())
        chown(place.path("a"), 4711, 4711)
        refuse("a", .wrongOwner, "user 4711")
        var options = place.options()
        options.allowedOwners = .users([4711])
        _ = try SPSCRing.open("a", options: options).makeProducer()
        options.allowedOwners = .users([1])
        expectError(.wrongOwner, saying: "4711") { () throws(RingError) in _ = try SPSCRing.open("a", options: options) }
        options.allowedOwners = .anyone
        _ = try SPSCRing.open("a", options: options).makeProducer()
    }

    @Test("A file system without room: outOfSpace, and nothing left behind", .enabled(if: geteuid() == 0, "mounting needs root"))
    func outOfSpace() throws {
        guard let mountPoint = place.mountSmall(byteCount: 65536) else { return }
        defer { umount2(mountPoint, Int32(MNT_DETACH)) }
        var options = RingOptions(capacity: 65536)
        options.directory = mountPoint
        expectError(.outOfSpace, saying: "73728", "No space left") { () throws(RingError) in _ = try SPSCRing.create("a", options: options)
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: mountPoint) == [])
        // And all of the room is there again.
        options.capacity = 32768
        _ = try SPSCRing.create("b", options: options)
        options.capacity = 4096
        _ = try SPSCRing.create("c", options: options)
        options.capacity = 8192
        expectError(.outOfSpace) { () throws(RingError) in _ = try SPSCRing.openOrCreate("d", options: options).makeProducer() }
        #expect(try FileManager.default.contentsOfDirectory(atPath: mountPoint).sorted() == ["b", "c"])
    }
}
