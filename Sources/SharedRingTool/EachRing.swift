import SharedRing

/// Does the same with each of several rings. One that fails keeps nothing from the others: its error is reported, and at the end there is
/// the status of the first.
struct EachRing {
    private let arguments: Arguments
    private var status: Int32?

    init(_ arguments: Arguments) { self.arguments = arguments }

    /// What the body gives for each ring for which it does not throw.
    mutating func map<Value>(_ names: [FileName], _ body: (FileName) throws -> Value) throws -> [Value] {
        try names.compactMap { name in
            do {
                return try body(name)
            } catch {
                try report(error)
                return nil
            }
        }
    }

    /// Throws what concerns no ring: that the output has no reader any more. The status stays that of the first that failed.
    private mutating func report(_ error: any Error) throws {
        let failure = ToolFailure(error, of: arguments)
        if failure.sentence.isEmpty { throw ToolFailure("", status: status ?? failure.status) }
        StandardStreams.note(failure.sentence)
        status = status ?? failure.status
    }

    /// Throws if something has failed.
    func finish() throws {
        if let status { throw ToolFailure("", status: status) }
    }
}
