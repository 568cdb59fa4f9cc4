import Glibc
import SharedRing

/// A key-value service, once behind calls and once behind a Unix socket with SwiftNIO: the same store, the same requests.
///
///     KeyValue serve-calls NAME [adaptive|asleep]
///     KeyValue serve-socket PATH
///     KeyValue ask-calls NAME get KEY | put KEY VALUE
///     KeyValue ask-socket PATH get KEY | put KEY VALUE
///     KeyValue compare [SECONDS]                          what a request takes, of each
@main
struct KeyValue {
    static func main() throws {
        var words = Array(CommandLine.arguments.dropFirst())
        guard !words.isEmpty else { usage() }
        let command = words.removeFirst()
        switch (command, words.count) {
        case ("serve-calls", 1): try serveCalls(words[0], waiting: .adaptive)
        case ("serve-calls", 2):
            guard ["adaptive", "asleep"].contains(words[1]) else { usage() }
            try serveCalls(words[0], waiting: words[1] == "asleep" ? .sleep : .adaptive)
        case ("serve-socket", 1): try serveSocket(words[0])
        case ("ask-calls", 3...4): show(try CallsClient(words[0], waiting: .adaptive).ask(request(words)))
        case ("ask-socket", 3...4): show(try SocketClient(words[0]).ask(request(words)))
        case ("compare", 0): try Comparison(seconds: 3).run()
        case ("compare", 1):
            guard let seconds = Double(words[0]), seconds > 0, seconds <= 600 else { usage() }
            try Comparison(seconds: seconds).run()
        default: usage()
        }
    }

    private static func request(_ words: [String]) -> String { words.dropFirst().joined(separator: "\t") }

    private static func show(_ answer: Store.Answer) {
        switch answer {
        case .value(let text): say(text)
        case .refused(let text): fail(text)
        }
    }
}

/// For words that make no sense.
func usage() -> Never {
    complain(
        "usage: KeyValue serve-calls NAME [adaptive|asleep] | serve-socket PATH | ask-calls NAME REQUEST | ask-socket PATH REQUEST | compare [SECONDS]"
    )
    exit(2)
}

func fail(_ text: String) -> Never {
    complain(text)
    exit(1)
}

private func complain(_ text: String) {
    let line = Array((text + "\n").utf8)
    _ = write(2, line, line.count)
}

/// A line for the process that started this one, at once.
func say(_ line: String) {
    let bytes = Array((line + "\n").utf8)
    _ = write(1, bytes, bytes.count)
}
