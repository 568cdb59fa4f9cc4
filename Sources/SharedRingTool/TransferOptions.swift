import Glibc
import SharedRing

/// What the command lines of `send` and `receive` have in common.
struct TransferOptions {
    /// What a message is in the data.
    enum Format: Equatable {
        /// Whatever one read gives.
        case reads
        /// So many bytes, but for the last.
        case chunks(Int)
        /// A line, without its newline.
        case lines
        /// A 32-bit little-endian count, and so many bytes.
        case frames
    }

    let name: String
    let format: Format
    let waiting: WaitStrategy
    let patience: Patience
    let keepsRing: Bool
    private let ringOptions: RingOptions
    private let capacity: Int?

    init(_ arguments: Arguments) throws {
        name = arguments.name
        let formats = ["--lines", "--frames", "--bytes"].filter(arguments.has)
        if formats.count > 1 { throw ToolFailure.usage("'\(formats[0])' and '\(formats[1])' exclude each other", of: arguments.command) }
        let chunk = try arguments.size("--bytes")
        format =
            if arguments.has("--lines") { .lines } else if arguments.has("--frames") { .frames } else { chunk.map(Format.chunks) ?? .reads }
        waiting =
            try arguments.value("--wait", "way of waiting: spin, adaptive or sleep") { word -> WaitStrategy? in
                switch word {
                case "spin": .spin
                case "adaptive": .adaptive
                case "sleep": .sleep
                default: nil
                }
            } ?? .adaptive
        patience = try Patience(arguments)
        keepsRing = arguments.has("--keep")
        capacity = try arguments.size("--capacity")
        var options = RingOptions()
        options.directory = try arguments.directory()
        options.capacity = capacity ?? TransferOptions.defaultCapacity
        options.isPersistent = keepsRing
        ringOptions = options
    }

    /// With a core for each side, 1 GiB takes the same time through any capacity from 256 KiB to 8 MiB. On a loaded machine
    /// every wait costs a turn of the scheduler, and there are the fewer the larger the ring: with a load of 5 on 2 cores,
    /// medians of 15 runs were 717 ms at 512 KiB, 527 at 1 MiB, 418 at 2, 359 at 4, 378 at 8 (`cat | cat`: 573).
    static let defaultCapacity = 4 << 20

    /// Finds the ring, or makes it.
    func openRing() throws(RingError) -> SPSCRing {
        let ring = try SPSCRing.openOrCreate(name, options: ringOptions)
        if let capacity, ring.capacity != rounded(capacity) {
            StandardStreams.note(
                "note: ring '\(name)' is there already, with a capacity of \(ring.capacity) bytes; '--capacity' counts only for a new one")
        }
        return ring
    }

    /// What a ring asked to have this capacity has.
    private func rounded(_ capacity: Int) -> Int {
        var size = sysconf(Int32(_SC_PAGESIZE))
        while size < capacity { size *= 2 }
        return size
    }
}
