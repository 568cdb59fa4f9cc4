import Synchronization

/// The values, and what is done with a request. It knows nothing of how requests come.
final class Store: Sendable {
    enum Answer: Sendable, Equatable {
        case value(String)
        case refused(String)
    }

    private let values = Mutex([String: String]())

    /// - Parameter request: `get KEY` or `put KEY VALUE`, with tabs between.
    func answer(_ request: String) -> Answer {
        let words = request.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
        switch (words.first, words.count) {
        case ("get", 2):
            guard let value = values.withLock({ $0[words[1]] }) else { return .refused("no key '\(words[1])'") }
            return .value(value)
        case ("put", 3):
            values.withLock { $0[words[1]] = words[2] }
            return .value("")
        default: return .refused("neither get nor put: '\(request)'")
        }
    }
}
