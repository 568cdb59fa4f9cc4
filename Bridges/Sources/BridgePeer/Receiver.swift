import Glibc
import RingBridge
import SharedRing

/// Receives what `sharedring-nats subscribe` forwards, through the documented filter, and appends the sequence and the message's number to a file, as
/// 16 bytes a message. A receiver that was killed is started again: the end of that file is what it has done.
struct Receiver {
    private let settings: Settings

    init(_ words: [String]) throws { settings = try Settings(words) }

    func run() throws {
        var options = RingOptions()
        options.directory = try settings.text("directory", or: options.directory)
        let count = try settings.number("count")
        let usesTag = try settings.text("sequence", or: "front") == "tag"
        let file = open(try settings.text("file"), O_RDWR | O_CREAT | O_APPEND, 0o600)
        guard file >= 0 else { throw BridgePeer.Failure(text: String(cString: strerror(errno))) }
        let size = lseek(file, 0, SEEK_END) / 16 * 16
        guard ftruncate(file, size) == 0 else { throw BridgePeer.Failure(text: String(cString: strerror(errno))) }
        var last: UInt64 = 0
        if size > 0 { guard pread(file, &last, 8, size - 16) == 8 else { throw BridgePeer.Failure(text: "no last sequence") } }
        var filter = SequenceFilter(last: last)
        var received = Int(size / 16)
        // Seen through no filter: what the ring brought, to be counted.
        var consumer = try SPSCRing.openOrCreate(try settings.text("ring"), options: options).makeConsumer()
        while received < count {
            do throws(RingError) {
                guard let message = try consumer.next(timeout: .seconds(60)) else { continue }
                let isNew: Bool
                if usesTag {
                    isNew = filter.accepts(tag: message.tag)
                } else {
                    isNew = SequenceFilter.sequence(inFrontOf: message.bytes).map { filter.accepts($0) } ?? false
                }
                guard isNew else { continue }
                let text = message.array.dropFirst(usesTag ? 0 : 8)
                let number = text.split(separator: 32).dropFirst().first?.prefix { $0 >= 48 && $0 <= 57 }.reduce(0) {
                    $0 &* 10 &+ UInt64($1 - 48)
                }
                var record = (filter.last, number ?? .max)
                guard write(file, &record, 16) == 16 else { exit(3) }
                received += 1
            } catch {
                guard error.code == .peerDied else { throw error }  // another bridge comes
            }
        }
    }
}
