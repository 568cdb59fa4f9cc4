import Foundation

/// What the kernel says of a process that lives.
extension ChildProcess {
    public struct Memory: Sendable {
        /// Pages of its own: heap and stacks.
        public var ownBytes = 0
        /// All pages that it has in memory, with those of files and rings.
        public var residentBytes = 0

        public init() {}
    }

    /// How much memory it has now.
    public func memory() throws -> Memory {
        var memory = Memory()
        for line in try String(contentsOfFile: "/proc/\(id)/status", encoding: .utf8).split(separator: "\n") {
            let words = line.split(whereSeparator: \.isWhitespace)
            guard words.count > 1, let kilobytes = Int(words[1]) else { continue }
            switch words[0] {
            case "RssAnon:": memory.ownBytes = kilobytes << 10
            case "VmRSS:": memory.residentBytes = kilobytes << 10
            default: break
            }
        }
        return memory
    }

    /// The processor's seconds that all its threads have had, in the steps in which the kernel gives them: mostly 10 ms.
    public func processorSeconds() throws -> Double {
        // The name stands in parentheses, and may have blanks.
        let text = try String(contentsOfFile: "/proc/\(id)/stat", encoding: .utf8)
        let words = text.split(separator: ")").last?.split(separator: " ") ?? []
        guard words.count > 12, let user = Double(words[11]), let system = Double(words[12]) else {
            throw Failure(description: "/proc/\(id)/stat: \(text)")
        }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }
}
