import CSharedRing

/// Work that blocks, and has no form that waits without a thread: it runs on a thread of its own, and the task that awaits it holds none of the
/// pool's.
final class OwnThread: Sendable {
    private let body: @Sendable () -> Void

    private init(_ body: @escaping @Sendable () -> Void) { self.body = body }

    /// What the body gives or throws; `system` if no thread can be started. Cancelling the task does not end the body.
    static func run<Value: Sendable>(
        for ring: String, _ body: @escaping @Sendable () throws(RingError) -> Value
    ) async throws(RingError) -> Value {
        let result = await unsafe withUnsafeContinuation { (continuation: UnsafeContinuation<Result<Value, RingError>, Never>) in
            let thread = OwnThread {
                let result: Result<Value, RingError>
                do throws(RingError) { result = .success(try body()) } catch { result = .failure(error) }
                unsafe continuation.resume(returning: result)
            }
            let context = unsafe Unmanaged.passRetained(thread)
            // SAFETY: the thread takes the reference over; should it not start, it is given back here. Either way the task is resumed once.
            let failure = unsafe sr_thread_start(
                "sharedring-work", { context in unsafe Unmanaged<OwnThread>.fromOpaque(context).takeRetainedValue().body() },
                context.toOpaque())
            if failure != 0 {
                unsafe context.release()
                unsafe continuation.resume(returning: .failure(RingError(.system, ring: ring, errno: -failure, "no thread to work with")))
            }
        }
        return try result.get()
    }
}
