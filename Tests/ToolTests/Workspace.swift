import Foundation
import Glibc
import Testing

/// A test's own places, which end with it: one for rings, in shared memory, and one for other files.
final class Workspace {
    let rings: URL
    let scratch: URL

    init() throws {
        let id = UUID().uuidString
        rings = URL(fileURLWithPath: "/dev/shm/sharedring-tool-\(id)")
        scratch = FileManager.default.temporaryDirectory.appendingPathComponent("sharedring-tool-\(id)")
        for place in [rings, scratch] { try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true) }
    }

    deinit {
        for place in [rings, scratch] { try? FileManager.default.removeItem(at: place) }
    }

    /// The names in the rings' directory, hidden ones too.
    var traces: [String] { (try? FileManager.default.contentsOfDirectory(atPath: rings.path)) ?? ["no directory"] }
}

/// Looks again and again until `condition` holds; false if it does not within the bound. Not a pause: the condition must
/// come true, and the test goes on as soon as it is.
func eventually(within seconds: Double = 120, _ condition: () throws -> Bool) rethrows -> Bool {
    let end = ContinuousClock.now + .seconds(seconds)
    while try !condition() {
        if ContinuousClock.now > end { return false }
        usleep(1_000)
    }
    return true
}

/// Data that no compression, alignment or repetition could get right by accident.
func randomData(_ count: Int) -> Data {
    var generator = SystemRandomNumberGenerator()
    var data = Data(capacity: count + 8)
    while data.count < count { withUnsafeBytes(of: generator.next()) { data.append(contentsOf: $0) } }
    return data.prefix(count)
}

/// "1\n2\n…".
func numberedLines(_ range: ClosedRange<Int>) -> Data {
    Data(range.map { "\($0)\n" }.joined().utf8)
}

/// The numbers of whole lines; what stands after the last newline was cut off.
func numbers(_ data: Data) -> [Int] {
    data.split(separator: 10, omittingEmptySubsequences: false).dropLast().map { Int(String(decoding: $0, as: UTF8.self)) ?? -1 }
}

/// Whether the numbers are all those from `first` to `last`, in order.
func isRun(_ numbers: [Int], from first: Int, to last: Int) -> Bool {
    numbers.elementsEqual(first..<last + 1)
}

/// "3 1\n3 2\n…": lines that say whose they are.
func signedLines(of sender: Int, _ range: ClosedRange<Int>) -> Data {
    Data(range.map { "\(sender) \($0)\n" }.joined().utf8)
}

/// The numbers that came from each sender, in their order. What is no such line is counted as sender -1's.
func numbersBySender(_ data: Data) -> [Int: [Int]] {
    var numbers: [Int: [Int]] = [:]
    for line in String(decoding: data, as: UTF8.self).split(separator: "\n") {
        let words = line.split(separator: " ").map { Int($0) }
        if words.count == 2, let sender = words[0], let number = words[1] {
            numbers[sender, default: []].append(number)
        } else {
            numbers[-1, default: []].append(0)
        }
    }
    return numbers
}
