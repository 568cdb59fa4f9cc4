import Foundation
import TestSupport
import Testing

@Suite("In the steady state sending and receiving, a board's values set and read, allocate nothing and make no system call", .oneByOne)
struct SteadyStateTests {
    static func find(_ program: String) -> String? {
        let paths = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map(String.init)
        return (paths + [toolchain, "/usr/bin"]).map { "\($0)/\(program)" }.first { FileManager.default.isExecutableFile(atPath: $0) }
    }

    /// The programs beside the Swift library that this process runs with.
    private static let toolchain: String = {
        let maps = (try? String(contentsOfFile: "/proc/self/maps", encoding: .utf8)) ?? ""
        guard let line = maps.split(separator: "\n").first(where: { $0.hasSuffix("/usr/lib/swift/linux/libswiftCore.so") }) else {
            return ""
        }
        return line.split(separator: " ").last!.replacingOccurrences(of: "lib/swift/linux/libswiftCore.so", with: "bin")
    }()

    static let clang = find("clang") ?? find("gcc")
    static let strace = find("strace")
    static var isSanitized: Bool {
        (try? String(contentsOfFile: "/proc/self/maps", encoding: .utf8).contains("libclang_rt.tsan")) ?? false
            || dlsym(nil, "__tsan_init") != nil || dlsym(nil, "__asan_init") != nil
    }

    private func run(_ path: String, _ arguments: [String]) throws {
        let nowhere = try FileHandle(forWritingTo: URL(fileURLWithPath: "/dev/null"))
        let process = try withExtendedLifetime(nowhere) { try ChildProcess(path, arguments, errors: nowhere.fileDescriptor) }
        let status = process.end()
        guard status == 0 else { throw Peer.Failure(description: "\(path) failed: \(status.map(String.init) ?? "a signal")") }
    }

    /// An optimised build of `TestPeer`, if there is one that is not older than the sources: unoptimised code allocates. In a release build it
    /// is the one beside these tests.
    static let optimisedPeer: String? = {
        if isOptimised { return Peer.executable }
        let package = MisuseTests.package
        let newest = ["Sources", "Tests/TestPeer"].flatMap { folder in
            (FileManager.default.enumerator(atPath: "\(package)/\(folder)")?.allObjects as? [String] ?? []).map {
                "\(package)/\(folder)/\($0)"
            }
        }.compactMap(changed).max()
        let candidates = ["\(package)/.build/release/TestPeer"]
        return candidates.first { candidate in changed(candidate).map { $0 >= newest ?? .distantPast } ?? false }
    }()

    private static func changed(_ path: String) -> Date? {
        let facts = try? FileManager.default.attributesOfItem(atPath: path)
        return facts?[.type] as? FileAttributeType == .typeRegular ? facts?[.modificationDate] as? Date : nil
    }

    @Test(
        "No allocation", .enabled(if: clang != nil, "needs a C compiler, for a counter to preload"),
        .enabled(if: optimisedPeer != nil, "first: swift build -c release --product TestPeer"))
    func allocations() throws {
        let place = Place()
        // Not in the package: it replaces malloc, which no other test should run with.
        let counter = """
            #include <stddef.h>
            extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t), *__libc_memalign(size_t, size_t);
            static long count;
            long sr_test_allocations(void) { return __atomic_load_n(&count, __ATOMIC_RELAXED); }
            static void note(void) { __atomic_fetch_add(&count, 1, __ATOMIC_RELAXED); }
            void *malloc(size_t n) { note(); return __libc_malloc(n); }
            void *calloc(size_t n, size_t m) { note(); return __libc_calloc(n, m); }
            void *realloc(void *p, size_t n) { note(); return __libc_realloc(p, n); }
            void *memalign(size_t a, size_t n) { note(); return __libc_memalign(a, n); }
            void *aligned_alloc(size_t a, size_t n) { note(); return __libc_memalign(a, n); }
            int posix_memalign(void **p, size_t a, size_t n) { note(); return (*p = __libc_memalign(a, n)) ? 0 : 12; }
            """
        try counter.write(toFile: place.path("counter.c"), atomically: false, encoding: .utf8)
        try run(Self.clang!, ["-shared", "-fPIC", "-O1", "-o", place.path("counter.so"), place.path("counter.c")])
        let peer = try Peer(["steady"], executable: Self.optimisedPeer!, environment: ["LD_PRELOAD=\(place.path("counter.so"))"])
        let answer = try peer.line()
        #expect(answer == "allocations 0")
    }

    @Test(
        "No system call", .enabled(if: strace != nil, "needs strace"),
        .enabled(if: !isSanitized, "a sanitizer makes system calls of its own"))
    func systemCalls() throws {
        let place = Place()
        let log = place.path("log")
        let peer = try Peer(["-o", log, Peer.executable, "steady"], executable: Self.strace!)
        #expect(try peer.line() == "uncounted")
        try peer.wait()
        let lines = try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n")
        let start = try #require(lines.firstIndex { $0.contains("steady\\n") })
        let end = try #require(lines.firstIndex { $0.contains("over\\n") })
        #expect(lines[(start + 1)..<end] == [], "between the two marks")
    }
}
