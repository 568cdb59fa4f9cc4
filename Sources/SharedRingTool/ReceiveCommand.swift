import Glibc
import SharedRing

/// `sharedring receive`: a ring to standard output.
struct ReceiveCommand {
    private let options: TransferOptions

    init(_ arguments: Arguments) throws { options = try TransferOptions(arguments) }

    /// Returns after the end of the stream. What could not be written stays in the ring.
    func run() throws {
        let progress = Progress("received", data: STDOUT_FILENO)
        defer { progress.clear() }
        let ring = try options.openRing()
        let isBuffered = options.format == .lines || options.format == .frames
        let consumer = try ring.makeConsumer(
            acknowledgement: isBuffered ? .manual : .automatic, waiting: options.waiting, slice: options.patience.slice)
        var reception = Reception(consumer, options: options, progress: progress)
        switch options.format {
        case .reads, .chunks: try reception.receiveBytes()
        case .lines: try reception.receiveMessages(as: .lines)
        case .frames: try reception.receiveMessages(as: .frames)
        }
    }
}
