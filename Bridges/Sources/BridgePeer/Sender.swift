import Glibc
import RingBridge
import SharedRing

/// Sends `NAME NUMBER`, padded with dots, with numbers from 0 on. With `journal=FILE`, the file has as 8 bytes how many sends have returned: what a
/// killed sender has sent is that many messages, or one more.
struct Sender {
    private let settings: Settings

    init(_ words: [String]) throws { settings = try Settings(words) }

    func run() throws {
        var options = RingOptions()
        options.directory = try settings.text("directory", or: options.directory)
        let ring = try settings.text("ring")
        var producer: Producer
        switch try settings.text("kind", or: "spsc") {
        case "mpsc": producer = try MPSCRing.open(ring, options: options).makeProducer()
        case "broadcast":
            producer = try BroadcastRing.open(ring, options: options).makePublisher()
            try producer.waitForSubscribers(1)
        default: producer = try SPSCRing.open(ring, options: options).makeProducer()
        }
        let count = try settings.number("count")
        let size = try settings.number("size", or: 128)
        let name = try settings.text("name", or: "0")
        let pause = try settings.number("microseconds", or: 0)
        let journal = try Journal(try settings.text("journal", or: ""))
        for number in 0..<count {
            var text = Array("\(name) \(number)".utf8)
            if text.count < size { text += repeatElement(46, count: size - text.count) }
            while true {
                do throws(RingError) {
                    try producer.send(text, tag: UInt32(truncatingIfNeeded: number))
                    break
                } catch {
                    // It waited for room, and the bridge was killed. Another one comes; nothing was sent.
                    guard error.code == .peerDied || error.code == .peerClosed else { throw error }
                }
            }
            journal.set(number + 1)
            if pause > 0 { usleep(UInt32(pause)) }
        }
        try producer.close()
    }
}

/// A word in a mapped file: it outlives the process.
final class Journal {
    private let word: UnsafeMutablePointer<UInt64>

    /// - Parameter path: empty: no file.
    init(_ path: String) throws {
        guard !path.isEmpty else {
            word = .allocate(capacity: 1)
            word.initialize(to: 0)
            return
        }
        let file = open(path, O_RDWR | O_CREAT, 0o600)
        guard file >= 0, ftruncate(file, 8) == 0, let map = mmap(nil, 8, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0), map != MAP_FAILED
        else { throw BridgePeer.Failure(text: "\(path): \(String(cString: strerror(errno)))") }
        Glibc.close(file)
        word = map.assumingMemoryBound(to: UInt64.self)
    }

    func set(_ count: Int) { word.pointee = UInt64(count) }

    static func read(_ path: String) -> Int {
        var count: UInt64 = 0
        let file = open(path, O_RDONLY)
        guard file >= 0 else { return 0 }
        defer { Glibc.close(file) }
        return pread(file, &count, 8, 0) == 8 ? Int(count) : 0
    }
}
