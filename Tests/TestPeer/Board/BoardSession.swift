import Foundation
import SharedRing
import Synchronization

/// A writer or reader of a board's entry that obeys lines on its standard input and answers each with a line.
enum BoardSession {
    /// `set TEXT`, `fill COUNT` (so many values of one letter each, larger and larger), `close`.
    static func writer(_ setup: Setup, key: String) throws {
        let board = try setup.board()
        var writer = try board.makeWriter(key)
        say("attached")
        while let line = readLine() {
            let words = line.split(separator: " ", maxSplits: 1).map(String.init)
            do throws(RingError) {
                switch words.first {
                case "set": say("version \(try writer.set(words.count > 1 ? words[1] : ""))")
                case "close":
                    writer.close()
                    return say("closed")
                default: say("what?")
                }
            } catch {
                say("error \(error.code) \(error)")
            }
        }
    }

    /// `get`, `next` (waits for a newer value), `try-set` (sets the entry once, without waiting for it), `typed`; `snapshot`, `view` (a view's `next`), `task`
    /// (the same in a task), `source` (by an event source). With `user=ID` as that user.
    static func reader(_ setup: Setup, key: String) throws {
        for argument in CommandLine.arguments where argument.hasPrefix("user=") {
            guard let user = UInt32(argument.dropFirst(5)), setuid(user) == 0 else { return say("error: not that user") }
        }
        let board = try setup.board()
        let endpoint = EndpointOptions(checkInterval: setup.checkInterval)
        var reader = try board.makeReader(key, waiting: setup.waiting, polling: setup.checkInterval, options: endpoint)
        var view = try board.makeView(waiting: setup.waiting, polling: setup.checkInterval, options: endpoint)
        say("attached")
        say(reader.isWoken ? "woken" : "polls")
        while let line = readLine() {
            do throws(RingError) {
                switch line {
                case "get":
                    if let value = try reader.get() { say("\(value.version) \(value.text)") } else { say("nothing") }
                case "next":
                    let value = try reader.next(timeout: patience)
                    say("\(value.version) \(value.text)")
                case "typed":
                    let value = try reader.value(as: UInt64.self)
                    let stamp = try reader.get()?.stamp
                    say("\(value ?? 0) \(stamp?.tag ?? 0) \(stamp?.writtenNanoseconds ?? 0)")
                case "snapshot": say(describe(try view.snapshot()))
                case "view": say(describe(try view.next(timeout: patience)))
                case "task":
                    let interval = setup.checkInterval
                    say(
                        inTask {
                            var view = try board.makeView(polling: interval, options: endpoint)
                            return describe(try await view.next(timeout: patience))
                        })
                case "source":
                    var source = try board.makeView(waiting: setup.waiting, polling: setup.checkInterval, options: endpoint).eventSource()
                    let descriptor = source.descriptor
                    let known = try source.poll() ?? []
                    _ = try source.poll()
                    say("armed \(known.count)")
                    var event = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
                    guard Glibc.poll(&event, 1, 120_000) == 1 else { fatalError("no event") }
                    let changes = try source.poll() ?? []
                    say(changes.map { "\($0.key)=\($0.version)" }.joined(separator: " "))
                case "try-set": say("version \(try board.set(key, to: "x", timeout: .zero) ?? 0)")
                default: say("what?")
                }
            } catch {
                say("error \(error.code) \(error)")
            }
        }
    }

    private static func describe(_ values: BoardValues) -> String {
        values.map { "\($0.key)=\($0.value.version):\($0.value.text)" }.joined(separator: " ")
    }

    /// Runs the body in a task, and blocks this thread meanwhile.
    private static func inTask(_ body: @escaping @Sendable () async throws -> String) -> String {
        let done = DispatchSemaphore(value: 0)
        let result = Mutex("")
        let task = Task {
            let text: String
            do { text = try await body() } catch { text = "error \(error)" }
            result.withLock { $0 = text }
            done.signal()
        }
        done.wait()
        withExtendedLifetime(task) {}
        return result.withLock { $0 }
    }
}

extension Setup {
    func board() throws(RingError) -> Board {
        if let descriptor { return try Board.open(descriptor: descriptor, options: options) }
        return try Board.open(name, options: options)
    }
}
