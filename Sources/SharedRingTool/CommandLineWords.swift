/// The words of the command line.
///
/// The standard library reads them from /proc/self/cmdline, and finds none where /proc is not mounted. The C library hands them
/// to every function in `.init_array`, before `main`.
enum CommandLineWords {
    /// Without the program's name. What is not UTF-8 is repaired.
    static var all: [String] {
        guard let words = keptWords else { return Array(CommandLine.arguments.dropFirst()) }
        return (1..<max(1, Int(keptCount))).compactMap { words[$0].map { String(cString: $0) } }
    }
}

// Written once, before any other thread can exist.
nonisolated(unsafe) private var keptCount: Int32 = 0
nonisolated(unsafe) private var keptWords: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?

@section(".init_array") @used
private let keepWords: @convention(c) (Int32, UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> Void = { count, words in
    keptCount = count
    keptWords = words
}
