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

    let name: FileName
    let format: Format
    let waiting: WaitStrategy
    let patience: Patience
    let keepsRing: Bool
    let ring: RingAccess

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
        ring = try RingAccess(arguments, isPersistent: keepsRing)
    }
}
