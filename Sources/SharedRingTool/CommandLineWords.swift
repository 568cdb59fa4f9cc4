import Glibc
import SharedRing

/// The words of the command line.
///
/// The standard library reads them from /proc/self/cmdline, and finds none where /proc is not mounted. The C library hands them
/// to every function in `.init_array`, before `main`.
enum CommandLineWords {
    /// Without the program's name. As bytes: a ring's name need not be UTF-8.
    static var all: [FileName] {
        guard let words = keptWords else { return CommandLine.arguments.dropFirst().map { FileName($0) } }
        return (1..<max(1, Int(keptCount))).compactMap { index in
            words[index].map { word in FileName(bytes: UnsafeBufferPointer(start: word, count: strlen(word)).map(UInt8.init(bitPattern:))) }
        }
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
