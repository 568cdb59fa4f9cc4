import CBench
import Glibc

/// Counts this process's system calls, with the kernel's tracepoint for them, where that is permitted.
///
/// Counting makes each call slower, so it is done while warming up, never while measuring.
struct CallCounter: ~Copyable {
    /// nil: this kernel does not say, or not to us.
    private let descriptor: Int32?

    init() { descriptor = Self.tracepoint.flatMap { id in Self.opened(id) } }

    deinit { if let descriptor { close(descriptor) } }

    private static let places = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"]

    private static var tracepoint: UInt64? {
        for place in places {
            if let text = SystemFile.read("\(place)/events/raw_syscalls/sys_enter/id") { return UInt64(text.filter(\.isNumber)) }
        }
        return nil
    }

    private static func opened(_ tracepoint: UInt64) -> Int32? {
        let descriptor = cb_call_counter(tracepoint)
        return descriptor >= 0 ? descriptor : nil
    }

    /// Why there are no such figures; nil if there are.
    static var obstacle: String? {
        guard let tracepoint else {
            return "system calls are not counted: \(places[0]) is not mounted, or not for this user (mount -t tracefs nodev \(places[0]))"
        }
        guard let descriptor = opened(tracepoint) else {
            return "system calls are not counted: this user may not use perf_event_open (see /proc/sys/kernel/perf_event_paranoid)"
        }
        close(descriptor)
        return nil
    }

    borrowing func start() { if let descriptor { cb_start_counting(descriptor) } }

    /// How many calls there were since `start`; -1 if they are not counted.
    borrowing func stop() -> Int64 { descriptor.map { cb_stop_counting($0) } ?? -1 }
}
