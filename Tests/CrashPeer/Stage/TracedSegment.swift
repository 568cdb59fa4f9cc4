import CTestSupport
import Foundation

/// A named segment while a traced process works on it: at every point of the operation it is copied as it stands, which is what killed processes would leave,
/// and each copy becomes a file that others recover. For kinds that are no rings; those have `Stage`.
final class TracedSegment {
    struct Failure: Error, CustomStringConvertible { let description: String }

    let memory: UnsafeMutableRawPointer
    private let size: UInt64
    private let image: UnsafeMutableRawPointer

    /// An empty directory for it, and for what the traced process leaves.
    static func makeStage(_ stage: String) {
        try? FileManager.default.removeItem(atPath: stage)
        try? FileManager.default.removeItem(atPath: CrashPeer.scratch(stage))
        mkdir(stage, 0o700)
        mkdir(CrashPeer.scratch(stage), 0o700)
    }

    init(_ path: String) throws {
        var facts = stat()
        guard stat(path, &facts) == 0, let map = ts_map_file(path, UInt64(facts.st_size), 0) else {
            throw Failure(description: "the segment can't be mapped")
        }
        memory = map
        size = UInt64(facts.st_size)
        image = .allocate(byteCount: Int(size), alignment: 64)
    }

    deinit {
        munmap(memory, Int(size))
        image.deallocate()
    }

    /// Steps through the operation of `CrashPeer` with these words; each image becomes the file at `path`, and is recovered by the body, which gets the image
    /// and the point.
    func step(
        _ words: [String], copyingTo path: String, _ outcome: inout Outcome,
        recover: (UnsafeMutableRawPointer, String, inout Outcome) throws -> Void
    ) throws {
        var arguments = ([CrashPeer.executable] + words).map { strdup($0) } + [nil]
        defer { arguments.forEach { free($0) } }
        guard let trace = ts_trace_start(CrashPeer.executable, &arguments) else { throw Failure(description: "it can't be started") }
        defer { ts_trace_kill(trace) }
        guard ts_trace_run(trace, 60_000) == Int32(TS_MARK.rawValue) else { throw Failure(description: "it did not reach its mark") }
        image.copyMemory(from: memory, byteCount: Int(size))
        func take(_ point: String) throws {
            try SegmentImage.write(UnsafeRawBufferPointer(start: image, count: Int(size)), to: path)
            outcome.images += 1
            try recover(image, point, &outcome)
        }
        try take("before it")
        while outcome.problems.count < 5 {
            let stop = Stop(rawValue: UInt32(ts_trace_advance(trace, memory, image, size))) ?? .failed
            let point = "\(stop), after \(ts_trace_instructions(trace)) instructions"
            switch stop {
            case .changed: outcome.changes += 1
            case .calling, .called, .asleep: outcome.calls += 1
            case .mark: break
            case .ended, .stuck, .failed: throw Failure(description: point)
            }
            try take(point)
            if stop == .mark { break }
        }
        outcome.instructions = ts_trace_instructions(trace)
    }
}
