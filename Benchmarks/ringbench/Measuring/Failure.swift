import CSharedRing
import Glibc

/// Why there are no figures: one sentence, status 1.
struct Failure: Error {
    let sentence: String
    init(_ sentence: String) { self.sentence = sentence }
}

/// The result of a call that returns the negative errno.
@discardableResult
func succeeded<Number: SignedInteger>(_ result: Number, _ what: @autoclosure () -> String) throws -> Number {
    guard result >= 0 else {
        let text = sr_error_text(Int32(-result)).map { String(cString: $0) } ?? "errno \(-result)"
        throw Failure("\(what()): \(text)")
    }
    return result
}

/// The result of a C library call that sets errno.
@discardableResult
func libc<Number: SignedInteger>(_ result: Number, _ what: @autoclosure () -> String) throws -> Number {
    try succeeded(result >= 0 ? result : Number(-errno), what())
}

/// Standard error, at once.
func printError(_ text: String, newline: Bool = true) {
    var line = newline ? text + "\n" : text
    line.withUTF8 { _ = write(2, $0.baseAddress, $0.count) }
}
