import CTestSupport
import Foundation
import Synchronization
import Testing

@testable import SharedRing

/// The bound of a wait whose end a test expects: it ends a test that hangs, and is no measurement. The machine may be busy with other work,
/// so the bound is far longer than any such wait takes. No test passes because this time passed.
let patience = Duration.seconds(patienceSeconds)
let patienceSeconds = 120.0
let patienceMilliseconds = Int32(120_000)

/// The same for waits that need another task to go on: the tests of other suites block the cooperative pool's few threads for minutes.
let asyncPatience = Duration.seconds(asyncPatienceSeconds)
let asyncPatienceSeconds = 900.0

/// How often a side checks on its peer where a test shows that something else ended its wait: longer than any test has patience.
let longCheckInterval = Duration.seconds(3600)

/// Whether this is a build as it ships.
var isOptimised: Bool {
    #if DEBUG
        false
    #else
        true
    #endif
}

/// Checks that the body throws this code, and that the sentence names these facts.
func expectError(
    _ code: RingError.Code, saying facts: String..., sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () throws(RingError) -> Void
) {
    do throws(RingError) {
        try body()
        Issue.record("nothing was thrown; expected \(code)", sourceLocation: sourceLocation)
    } catch {
        #expect(error.code == code, "\(error)", sourceLocation: sourceLocation)
        for fact in facts { #expect(error.description.contains(fact), "\(error)", sourceLocation: sourceLocation) }
    }
}

/// A directory on a tmpfs, for rings of one test. Gone with its last reference.
final class Place: Sendable {
    let path: String

    init() { path = String(cString: ts_make_directory("/dev/shm/sharedring-tests")) }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Mounts a file system of so many bytes here, for a caller that unmounts it. Its path; nil where this root may not mount.
    func mountSmall(byteCount: Int) -> String? {
        let mountPoint = path + "/small"
        mkdir(mountPoint, 0o700)
        if mount("none", mountPoint, "tmpfs", 0, "size=\(byteCount)") == 0 { return mountPoint }
        print("skipped: this root may not mount")
        return nil
    }

    func options(capacity: Int = 4096) -> RingOptions {
        var options = RingOptions(capacity: capacity)
        options.directory = path
        return options
    }

    var names: [String] { (try? FileManager.default.contentsOfDirectory(atPath: path).sorted()) ?? [] }

    func path(_ name: String) -> String { path + "/" + name }
}

/// A noncopyable value on its way into a thread.
final class Box<Value: ~Copyable>: @unchecked Sendable {
    private var value: Value?

    init(_ value: consuming Value) { self.value = consume value }

    func take() -> Value { value.take()! }
}

/// A thread that can be joined with a bound, so that a hang is a failure with a name and not a stuck run. What its body keeps was let go of then.
final class Worker<Result: Sendable>: @unchecked Sendable {
    /// Until the thread takes it.
    private var body: (@Sendable () throws -> Result)?
    private let result = Mutex<Swift.Result<Result, any Error>?>(nil)
    private let done = DispatchSemaphore(value: 0)

    /// Not Foundation's `Thread`: the thread sanitizer does not see that one start, and then sees no race at all.
    init(_ body: @escaping @Sendable () throws -> Result) {
        self.body = body
        let run: () -> Void = { [self] in
            let outcome = perform()
            result.withLock { $0 = outcome }
            done.signal()
        }
        var thread = pthread_t()
        let context = Unmanaged.passRetained(run as AnyObject).toOpaque()
        let created = pthread_create(
            &thread, nil,
            { context in
                (Unmanaged<AnyObject>.fromOpaque(context!).takeRetainedValue() as! () -> Void)()
                return nil
            }, context)
        precondition(created == 0, "no thread")
        pthread_detach(thread)
    }

    private func perform() -> Swift.Result<Result, any Error> {
        let body = body.take()!
        return Swift.Result { try body() }
    }

    struct Hung: Error, CustomStringConvertible {
        let seconds: Double
        var description: String { "the thread did not end within \(seconds) s" }
    }

    func join(within seconds: Double = patienceSeconds) throws -> Result {
        guard done.wait(timeout: .now() + seconds) == .success else { throw Hung(seconds: seconds) }
        done.signal()
        return try result.withLock { try $0!.get() }
    }
}

/// Lets several threads go at the same moment.
final class Gate: Sendable {
    private let missing: Atomic<Int>

    init(_ count: Int) { missing = Atomic(count) }

    func pass() {
        missing.subtract(1, ordering: .relaxed)
        while missing.load(ordering: .relaxed) > 0 { sched_yield() }
    }
}

/// Waits, with yields and a bound, for something that another thread or process will make true.
@available(*, noasync, message: "it would hold a thread of the pool, and what is waited for may need that: await it")
func eventually(within seconds: Double = patienceSeconds, _ condition: () -> Bool) -> Bool {
    let end = ContinuousClock.now + .seconds(seconds)
    while !condition() {
        if ContinuousClock.now > end { return false }
        usleep(500)
    }
    return true
}

/// The same in a task: the pool's threads, of which there may be two, are for those who make it true.
nonisolated(nonsending) func eventually(within seconds: Double = patienceSeconds, _ condition: () -> Bool) async -> Bool {
    let end = ContinuousClock.now + .seconds(seconds)
    while !condition() {
        if ContinuousClock.now > end { return false }
        try? await Task.sleep(for: .milliseconds(1))
    }
    return true
}

extension SPSCRing {
    /// A ring without a name, with both its endpoints handed to the body.
    static func withEndpoints(
        _ options: RingOptions = RingOptions(capacity: 4096), acknowledgement: Acknowledgement = .automatic,
        _ body: (inout Producer, inout Consumer) throws -> Void
    ) throws {
        let ring = try SPSCRing.anonymous(options: options)
        var producer = try ring.makeProducer(options: EndpointOptions(checkInterval: .milliseconds(10)))
        var consumer = try ring.makeConsumer(acknowledgement: acknowledgement, options: EndpointOptions(checkInterval: .milliseconds(10)))
        try body(&producer, &consumer)
    }
}

extension Consumer {
    /// The text of the next message that is there now; "(empty)", "(ended)".
    mutating func pollText() throws(RingError) -> String {
        switch try poll() {
        case .message(let message): message.text
        case .empty: "(empty)"
        case .ended: "(ended)"
        }
    }
}

/// Bounds a loop that waits for another thread.
struct Patience {
    struct Exhausted: Error {}

    private let end = ContinuousClock.now + patience

    func yield() throws {
        sched_yield()
        if ContinuousClock.now > end { throw Exhausted() }
    }
}

/// How a child ended: its status, or 128 and the signal's number; -1 if it did not end.
func end(of pid: Int32) -> Int32 {
    var status: Int32 = 0
    guard pid > 0, eventually({ waitpid(pid, &status, WNOHANG) == pid }) else { return -1 }
    return status & 0x7f == 0 ? status >> 8 & 0xff : 128 + status & 0x7f
}

/// A number that two threads pass back and forth.
final class Turn: Sendable {
    private let number = Atomic(0)

    var value: Int { number.load(ordering: .acquiring) }

    func set(_ value: Int) { number.store(value, ordering: .releasing) }

    func wait(for value: Int) -> Bool {
        let end = ContinuousClock.now + patience
        while self.value < value {
            sched_yield()
            if ContinuousClock.now > end { return false }
        }
        return true
    }
}

extension LaneWriter {
    /// Where the message of a record at `position` stands.
    func payload(at position: UInt64) -> UnsafeMutableRawPointer { place(at: position) + shape.messageOffset }

    /// As `Producer` commits, where there is room.
    mutating func commit(byteCount: Int, tag: UInt32) { commit(Slot(self), byteCount: byteCount, tag: tag) }
}

extension LaneWriter {
    mutating func fits(_ byteCount: Int, at place: UnsafeMutableRawPointer) -> Bool {
        withUnsafeMutablePointer(to: &self) { $0.fits(byteCount, at: place) }
    }

    mutating func isReady(for byteCount: Int) -> Bool { withUnsafeMutablePointer(to: &self) { $0.isReady(for: byteCount) } }
}
