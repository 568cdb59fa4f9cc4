/// Runs a call of a call service: what it throws is said of a call service. (What lies below says "ring" of every segment.)
func onCalls<Result: ~Copyable>(_ body: () throws(RingError) -> Result) throws(RingError) -> Result {
    do throws(RingError) { return try body() } catch { throw error.aboutCalls }
}

/// The same for a body that waits without holding a thread.
func onCalls<Result: Sendable & ~Copyable>(
    isolation: isolated (any Actor)? = #isolation, _ body: () async throws(RingError) -> Result
) async throws(RingError) -> Result {
    do throws(RingError) { return try await body() } catch { throw error.aboutCalls }
}

extension RingError {
    var aboutCalls: RingError {
        if case .ring(let name) = subject { about(.callService(name)) } else { self }
    }
}
