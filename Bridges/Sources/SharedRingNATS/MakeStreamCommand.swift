import RingBridge
import SharedRing

/// `make-stream S --subject P`: for a first look, and for scripts.
struct MakeStreamCommand {
    private let stream: String
    private var subjects: [String] = []
    private let replicas: Int
    private let broker: BrokerOptions

    init(_ words: [String]) throws {
        var arguments = Arguments(words)
        while let subject = try arguments.value("--subject") { subjects.append(subject) }
        guard !subjects.isEmpty else { throw Arguments.Failure(text: "--subject is missing") }
        replicas = try arguments.number("--replicas", in: 1...5) ?? 1
        broker = try arguments.broker()
        stream = try arguments.rest(1, "a stream's name")[0]
    }

    func run() throws {
        Signals.install()
        try BrokerConnection(broker).makeStreamPatiently(stream, subjects: subjects, replicas: replicas, stop: Signals.stop)
    }
}
