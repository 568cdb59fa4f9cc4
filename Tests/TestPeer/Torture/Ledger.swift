import CSharedRing
import Foundation

/// What the tortured processes have done so far, in memory that outlives any of them: how many messages each sender has
/// begun and finished sending, and how many of them the receiver has seen and acknowledged.
///
/// Each word has one writer at a time.
final class Ledger: @unchecked Sendable {
    static let senders = 1 << 16
    private let words: UnsafeMutablePointer<UInt64>
    private static let byteCount = (4 * senders + 1) * 8

    /// Opens the file, or makes it.
    init(path: String) {
        let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard file >= 0, ftruncate(file, off_t(Self.byteCount)) == 0 else { fatalError("no ledger at \(path)") }
        let address = mmap(nil, Self.byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)!
        close(file)
        words = address.assumingMemoryBound(to: UInt64.self)
    }

    deinit { munmap(words, Self.byteCount) }

    /// A column of the ledger: one word a sender.
    struct Column {
        let words: UnsafeMutablePointer<UInt64>

        subscript(_ sender: UInt32) -> UInt64 {
            get { sr_load_acquire_u64(words + Int(sender)) }
            nonmutating set { sr_store_release_u64(words + Int(sender), newValue) }
        }
    }

    /// Messages whose sending has begun: noted before.
    var begun: Column { Column(words: words) }
    /// Messages whose sending has returned: noted after.
    var sent: Column { Column(words: words + Self.senders) }
    /// Messages that a receiver was handed: noted before they are acknowledged.
    var handedOut: Column { Column(words: words + 2 * Self.senders) }
    /// Messages whose acknowledging has returned: noted after.
    var acknowledged: Column { Column(words: words + 3 * Self.senders) }
    /// Set when there will be no more senders.
    var isOver: Bool {
        get { sr_load_acquire_u64(words + 4 * Self.senders) != 0 }
        set { sr_store_release_u64(words + 4 * Self.senders, newValue ? 1 : 0) }
    }
}
