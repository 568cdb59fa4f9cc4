import CSharedRing
import Synchronization

/// The thread that waits for hang-ups of links' sockets, one for the whole process, started with the first link.
///
/// It only has the endpoints check on their peers sooner than their check interval would. So nothing depends on it but speed.
final class Hangups: Sendable {
    private struct Entry {
        weak var socket: LinkSocket?
    }

    private let descriptor: Descriptor?
    private let failure: Int32
    private let isStarted = Atomic(false)
    private let entries = Guarded([UInt64: Entry]())
    private let generation = sr_fork_generation()

    private static let shared = PerProcess(generation: { $0.generation }, make: { Hangups() })
    static var current: Hangups { shared.current }

    private init() {
        failure = sr_hangups()
        descriptor = failure >= 0 ? Descriptor(failure) : nil
    }

    func watch(_ socket: LinkSocket) throws(SystemFailure) {
        guard let descriptor else { throw SystemFailure(failure) }
        try entries.withLock { entries throws(SystemFailure) in
            if !isStarted.load(ordering: .relaxed) {  // relaxed: under the lock
                // SAFETY: the thread uses this object for ever, and it is never freed.
                let context = unsafe Unmanaged.passRetained(self)
                _ = try SystemFailure.check(
                    unsafe sr_thread_start(
                        "sharedring-hang", { context in unsafe Unmanaged<Hangups>.fromOpaque(context).takeUnretainedValue().run() },
                        context.toOpaque()))
                isStarted.store(true, ordering: .relaxed)
            }
            let result = socket.descriptor.withNumber { number in
                entries[UInt64(number)] = Entry(socket: socket)
                return descriptor.withNumber { sr_hangups_add($0, number, UInt64(number)) }
            }
            _ = try SystemFailure.check(result)
        }
    }

    /// The socket is about to be closed.
    func forget(_ socket: LinkSocket) {
        entries.withLock { entries in
            socket.descriptor.withNumber { number in
                entries[UInt64(number)] = nil
                _ = descriptor?.withNumber { sr_hangups_remove($0, number) }
            }
        }
    }

    private func run() -> Never {
        var tokens = [UInt64](repeating: 0, count: 16)
        // Those that hung up, and whose roles were still held. The kernel frees a dead process's roles soon after its sockets, on a busy machine
        // not at once. A side that only hung up keeps them: so looks become rarer, down to one in 100 ms.
        var pending: [Entry] = []
        var pause: Int32 = 1
        while true {
            // SAFETY: the array's own elements, for the length of the call.
            let count = unsafe tokens.withUnsafeMutableBufferPointer { tokens in
                descriptor?.withNumber {
                    unsafe sr_hangups_wait($0, tokens.baseAddress!, UInt32(tokens.count), pending.isEmpty ? -1 : pause)
                }
            }
            guard let count, count >= 0 else {
                sr_sleep_ns(1_000_000)
                continue
            }
            pause = count > 0 ? 1 : min(2 * pause, 100)
            pending += entries.withLock { entries in tokens.prefix(Int(count)).compactMap { entries[$0] } }
            pending.removeAll { $0.socket?.wakeEndpoints() ?? true }
        }
    }
}
