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
            // SAFETY: the task is resumed once, by the thread, or here if no thread starts.
            do throws(SystemFailure) {
                let work = Work(body)
                try start("sharedring-work") {
                    unsafe continuation.resume(returning: work.perform())  // nothing of it stays here
                }
            } catch {
                let refusal = RingError(.system, ring: ring, errno: error.errno, "no thread to work with")
                unsafe continuation.resume(returning: .failure(refusal))
            }
        }
        return try result.get()
    }

    /// What is to be done once. What its body keeps is let go of before the task resumes: whatever the task drops then is free at once.
    private final class Work<Value: Sendable>: @unchecked Sendable {
        private var body: (@Sendable () throws(RingError) -> Value)?

        init(_ body: @escaping @Sendable () throws(RingError) -> Value) { self.body = body }

        func perform() -> Result<Value, RingError> {
            guard let body = body.take() else { preconditionFailure("it is performed once") }
            do throws(RingError) { return .success(try body()) } catch { return .failure(error) }
        }
    }

    /// Starts a thread that runs the body, and shows up under that name. Throws the system's refusal; the body does not run then.
    static func start(_ name: String, _ body: @escaping @Sendable () -> Void) throws(SystemFailure) {
        let context = unsafe Unmanaged.passRetained(OwnThread(body))
        // SAFETY: the thread takes the reference over; should it not start, it is released here.
        let result = unsafe sr_thread_start(
            name, { context in unsafe Unmanaged<OwnThread>.fromOpaque(context).takeRetainedValue().body() }, context.toOpaque())
        if result != 0 { unsafe context.release() }
        _ = try SystemFailure.check(result)
    }
}
