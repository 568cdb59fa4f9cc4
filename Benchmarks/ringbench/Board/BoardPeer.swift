import CBench
import CSharedRing
import Glibc
import SharedRing

/// A reader in a process of its own: it prints how many reads it did, in how many nanoseconds, and how many gave up.
final class BoardPeer {
    private var pid: pid_t = 0
    private let output: Int32

    init(_ words: [String]) throws {
        var ends: [Int32] = [0, 0]
        guard cb_pipe(&ends, 4096) >= 0 else { throw Failure("no pipe") }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        var arguments = (["ringbench"] + words).map { strdup($0) } + [nil]
        defer { arguments.forEach { free($0) } }
        let started = posix_spawn(&pid, "/proc/self/exe", &actions, nil, &arguments, environ)
        close(ends[1])
        output = ends[0]
        guard started == 0 else { throw Failure("no process: errno \(started)") }
    }

    func answer() -> [Double] {
        // A number of each of 512 callers.
        var bytes = [UInt8](repeating: 0, count: 16384)
        var count = 0
        while count < bytes.count,
            case let more = bytes.withUnsafeMutableBytes({ read(output, $0.baseAddress! + count, $0.count - count) }),
            more > 0
        {
            count += more
        }
        close(output)
        var status: Int32 = 0
        waitpid(pid, &status, 0)
        guard status == 0 else { return [] }
        return String(decoding: bytes[..<count], as: UTF8.self).split { $0 == " " || $0 == "\n" }.compactMap { Double($0) }
    }

    /// Ends a process that does not end by itself.
    func kill() {
        Glibc.kill(pid, SIGKILL)
        close(output)
        waitpid(pid, nil, 0)
    }

    // MARK: In the process

    static func serve(_ words: [String]) throws {
        if words.first == PipeServer.word { return try PipeServer.serve(words) }
        if words.first == LineServer.word { return try LineServer.serve(words) }
        guard words.count == 7, let way = BoardBench.Way(rawValue: words[0]), let size = Int(words[1]), let begin = Int64(words[2]),
            let milliseconds = Int64(words[3]), let cpu = Int32(words[5]), let number = Int(words[6])
        else { throw Misuse("not for people") }
        let directory = words[4]
        _ = cb_pin(cpu)
        let length = milliseconds * 1_000_000
        switch way {
        case .copy:
            let source = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 64)
            memset(source, 1, size)
            try loop(size, begin, length) { target in
                // Or the compiler, which knows what stands there, stores that instead of copying it.
                cb_keep(source)
                sr_copy(target, source, Int64(size))
                return true
            }
        case .board:
            var reader = try Board.open("board", options: BoardBench.options(directory)).makeReader(BoardBench.key)
            try loop(size, begin, length) { target in
                do throws(RingError) {
                    var span = MutableRawSpan(_unsafeStart: target, byteCount: size)
                    return try reader.read(into: &span) != nil
                } catch {
                    guard error.code == .writerTooFast else { throw error }
                    return false
                }
            } retries: {
                reader.retries
            }
        case .compareAndSwap:
            let memory = SharedPlain(directory)
            try loop(size, begin, length) { target in
                while true {
                    let version = sr_load_acquire_u64(memory.word)
                    sr_copy(target, memory.bytes, Int64(size))
                    if cb_compare_and_swap(memory.word, version, version) != 0 { return true }
                }
            }
        case .rwlock:
            let memory = SharedPlain(directory)
            try loop(size, begin, length) { target in
                pthread_rwlock_rdlock(memory.lock)
                sr_copy(target, memory.bytes, Int64(size))
                pthread_rwlock_unlock(memory.lock)
                return true
            }
        case .pipe:
            let ends = PipeServer.names(number).map { open(directory + "/" + $0, O_RDWR | O_CLOEXEC) }
            try loop(size, begin, length) { target in
                guard write(ends[0], target, 1) == 1 else { return false }
                var count = 0
                while count < size, case let more = read(ends[1], target + count, size - count), more > 0 { count += more }
                return count == size
            }
        case .rename:
            try loop(size, begin, length) { target in
                let file = open(directory + "/value", O_RDONLY | O_CLOEXEC)
                defer { close(file) }
                return read(file, target, size) == size
            }
        }
    }

    private static func loop(
        _ size: Int, _ begin: Int64, _ length: Int64, _ once: (UnsafeMutableRawPointer) throws -> Bool,
        retries: () -> UInt64 = { 0 }
    ) throws {
        let target = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 64)
        for _ in 0..<100 { _ = try once(target) }
        while sr_now_ns() < begin {}
        var (count, failures) = (0, 0)
        // From here on: where the machine is busy, a process may start after the moment that it was told.
        let retriesBefore = retries()
        let start = sr_now_ns()
        var now = start
        while now < start + length {
            for _ in 0..<32 {
                if try once(target) { count += 1 } else { failures += 1 }
                cb_keep(target)
            }
            now = sr_now_ns()
        }
        print("\(count) \(now - start) \(failures) \(retries() - retriesBefore)")
    }
}

/// Answers in a cache line that both sides write in turn.
enum LineServer {
    static let word = "line-server"

    /// Answers until it is killed. On the first CPU; the other side has the last one.
    static func serve(_ words: [String]) throws {
        guard words.count == 2 else { throw Misuse("not for people") }
        _ = cb_pin(0)
        let memory = SharedPlain(words[1])
        while true {
            let number = sr_load_acquire_u64(memory.line)
            if number % 2 == 1 { sr_store_release_u64(memory.line, number + 1) } else { sr_pause() }
        }
    }
}

/// The process that has the value, where readers ask for it by pipes.
enum PipeServer {
    static let word = "pipe-server"

    /// The pipe for the requests of a reader, and that for the answers.
    static func names(_ reader: Int) -> [String] { ["ask-\(reader)", "answer-\(reader)"] }
    /// The pipe for new values.
    static let values = "values"

    /// Answers until it is killed.
    static func serve(_ words: [String]) throws {
        guard words.count == 5, let size = Int(words[1]), let readers = Int(words[2]), let cpu = Int32(words[4]) else {
            throw Misuse("not for people")
        }
        _ = cb_pin(cpu)
        let ends = (0..<readers).map { names($0).map { open(words[3] + "/" + $0, O_RDWR | O_CLOEXEC) } }
        let news = open(words[3] + "/" + values, O_RDWR | O_CLOEXEC)
        var value = [UInt8](repeating: 1, count: size)
        var requests = (ends.map { $0[0] } + [news]).map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        var byte: UInt8 = 0
        while poll(&requests, nfds_t(readers + 1), -1) > 0 {
            for (number, request) in requests.enumerated() where request.revents != 0 {
                if number == readers {
                    var count = 0
                    while count < size {
                        let more = value.withUnsafeMutableBytes { read(news, $0.baseAddress! + count, size - count) }
                        guard more > 0 else { return }
                        count += more
                    }
                    continue
                }
                guard read(request.fd, &byte, 1) == 1 else { return }
                var count = 0
                while count < size {
                    let more = value.withUnsafeBytes { write(ends[number][1], $0.baseAddress! + count, size - count) }
                    guard more > 0 else { return }
                    count += more
                }
            }
        }
    }
}

/// What the other ways share: a word, a lock, and the bytes.
struct SharedPlain {
    private let memory: UnsafeMutableRawPointer

    init(_ directory: String) {
        let file = open(directory + "/plain", O_RDWR | O_CLOEXEC)
        var facts = stat()
        fstat(file, &facts)
        memory = mmap(nil, Int(facts.st_size), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)
        close(file)
    }

    var word: UnsafeMutablePointer<UInt64> { memory.assumingMemoryBound(to: UInt64.self) }
    var lock: UnsafeMutablePointer<pthread_rwlock_t> { (memory + 256).assumingMemoryBound(to: pthread_rwlock_t.self) }
    var bytes: UnsafeMutableRawPointer { memory + 4096 }
    /// A line of its own.
    var line: UnsafeMutablePointer<UInt64> { (memory + 1024).assumingMemoryBound(to: UInt64.self) }

    func makeLock() {
        var attributes = pthread_rwlockattr_t()
        pthread_rwlockattr_init(&attributes)
        pthread_rwlockattr_setpshared(&attributes, Int32(PTHREAD_PROCESS_SHARED))
        pthread_rwlock_init(lock, &attributes)
        pthread_rwlockattr_destroy(&attributes)
    }
}
