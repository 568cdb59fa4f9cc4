/// What stands beside a result: its floor, and the plain means that every reader knows.
package struct Standards {
    private let results: [CaseResult]

    package init(_ results: [CaseResult]) { self.results = results }

    /// The least that any transport could take on that machine; nil where there is no such measure.
    package func floor(for result: CaseResult) -> CaseResult? {
        let name: TransportName
        switch result.setup.mode {
        case .rtt: name = result.setup.wait == "sleep" ? .futex : .line2
        case .throughput: name = .stream
        default: return nil
        }
        return results.first { $0.setup.transport == name && $0.setup.mode == result.setup.mode }
    }

    package func pipe(for result: CaseResult) -> CaseResult? { counterpart(.pipe, of: result) }

    /// That transport, doing the same.
    package func counterpart(_ name: TransportName, of result: CaseResult) -> CaseResult? {
        results.first {
            $0.setup.transport == name && $0.setup.isPeer(of: result.setup)
                && $0.setup.manyProducers?.producers == result.setup.manyProducers?.producers
                && $0.setup.manyProducers?.drainsAfter == result.setup.manyProducers?.drainsAfter
                && $0.setup.manyProducers?.isSpread == result.setup.manyProducers?.isSpread
                // How the other waits is a choice of some, and then must be the same.
                && (name != .spsc || $0.setup.wait == result.setup.wait)
        }
    }
}
