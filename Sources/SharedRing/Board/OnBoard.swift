/// Runs a call of a board: what it throws is said of a board. (What lies below says "ring" of every segment.)
@usableFromInline
func onBoard<Result: ~Copyable>(_ body: () throws(RingError) -> Result) throws(RingError) -> Result {
    do throws(RingError) { return try body() } catch { throw error.aboutBoard }
}

/// The same for a body that waits without holding a thread.
func onBoard<Result: Sendable>(
    isolation: isolated (any Actor)? = #isolation, _ body: () async throws(RingError) -> Result
) async throws(RingError) -> Result {
    do throws(RingError) { return try await body() } catch { throw error.aboutBoard }
}

extension RingError {
    @usableFromInline
    var aboutBoard: RingError {
        if case .ring(let name) = subject { about(.board(name)) } else { self }
    }
}
