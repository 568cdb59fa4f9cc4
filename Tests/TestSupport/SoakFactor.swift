import Foundation

/// How many times as much is tried as by default, where it takes long: `SHAREDRING_SOAK_SECONDS`.
public let soakFactor = Double(ProcessInfo.processInfo.environment["SHAREDRING_SOAK_SECONDS"] ?? "") ?? 1

extension Int {
    /// So many by default.
    public init(soaking count: Int) { self = Int(soakFactor * Double(count)) }
}
