import Glibc
import SharedRing

/// `sharedring serve`: answers the calls of a service with what a command writes.
struct ServeCommand {
    private let name: FileName
    private let command: [FileName]
    private let options: RingOptions
    private let shape: CallOptions
    private let isExisting: Bool
    /// Whether a service that is there must be as the command line says.
    private let isExact: Bool
    private let usesFrames: Bool
    /// Whether a client that reads a stream gets one.
    private let streams: Bool
    private let count: Int?
    /// How long the command may take for a request; nil: as long as it likes.
    private let timeout: Duration?

    init(_ arguments: Arguments) throws {
        name = arguments.name
        command = Array(arguments.names.dropFirst())
        options = try arguments.findingOptions()
        shape = try CallOptions(arguments)
        isExisting = arguments.has("--existing")
        isExact = arguments.has("--exact")
        usesFrames = arguments.has("--frames")
        streams = arguments.has("--stream")
        if usesFrames, streams { throw ToolFailure.usage("'--stream' and '--frames' exclude each other", of: .serve) }
        count = try arguments.count("--count")
        timeout = try arguments.value("--timeout", "duration, like 500ms, 2s or 1m", DurationNotation.duration)
    }

    func run() throws {
        guard ChildCommand.isThere(command[0]) else { throw ToolFailure("there is no command '\(command[0])' that can be started") }
        let service =
            isExisting
            ? try CallService.open(named: name, options: options)
            : try CallService.openOrCreate(named: name, shape: shape.shape, options: options)
        let differences = shape.differences(service.shape)
        if isExact, let difference = differences.first {
            throw ToolFailure("call service '\(name)' is there already, with \(difference.fact)")
        }
        for (fact, option) in differences {
            StandardStreams.note("note: call service '\(name)' is there already, with \(fact); '\(option)' counts only for a new one")
        }
        var server = try service.makeServer(waiting: .sleep)
        Signals.endInOrder(on: [SIGINT, SIGTERM])
        var longLived = usesFrames ? try ChildCommand(command) : nil
        var failure: (any Error)?
        do { try answer(&server, with: &longLived, limit: service.shape.replyCapacity) } catch { failure = error }
        // Callers wait for a server, not for the end of its command.
        server.close()
        longLived?.end(isUseless: failure != nil)
        if let failure { throw failure }
        if let signal = Signals.request { throw ToolFailure.ended(by: signal) }
    }

    private func answer(_ server: inout CallServer, with longLived: inout ChildCommand?, limit: Int) throws {
        var answered = 0
        while answered < count ?? .max, !Signals.isEndAskedFor {
            let request: CallRequest
            do throws(RingError) {
                // In short waits: a signal ends none of them.
                request = try server.next(timeout: .milliseconds(100))
            } catch {
                guard error.code == .timedOut else { throw error }
                if longLived?.hasEnded() ?? false { throw ToolFailure("'\(command[0])' ended") }
                continue
            }
            try answer(request, with: &longLived, limit: limit)
            answered += 1
        }
    }

    /// With what the command writes, or with a refusal that says why there is nothing.
    private func answer(_ request: consuming CallRequest, with longLived: inout ChildCommand?, limit: Int) throws {
        if longLived != nil {
            let bytes = request.array
            switch longLived!.exchange(bytes, limit: limit, timeout: timeout) {
            case .reply(let reply): return try request.reply(reply)
            case .failure(let reason):
                try refuse(request, "'\(command[0])' \(reason)", limit)
                throw ToolFailure("'\(command[0])' \(reason)")
            }
        }
        var child: ChildCommand
        do { child = try ChildCommand(command) } catch {
            // It was there at the beginning: this may pass, as a lack of processes does.
            let sentence = (error as? ToolFailure)?.sentence ?? "\(error)"
            StandardStreams.note(sentence)
            return try refuse(request, sentence, limit)
        }
        if streams, request.wantsStream {
            let bytes = request.array
            return try stream(bytes, try request.stream(), from: &child, limit: limit)
        }
        switch child.run(request.array, limit: limit, timeout: timeout) {
        case .reply(let reply): try request.reply(reply)
        case .failure(let reason): try refuse(request, "'\(command[0])' \(reason)", limit)
        }
    }

    /// With what the command writes, in parts, as it comes.
    private func stream(_ bytes: [UInt8], _ writer: consuming CallStreamWriter, from child: inout ChildCommand, limit: Int) throws {
        var writer = writer
        let size = writer.partCapacity
        let result = child.stream(bytes, timeout: timeout) { output, isOver in
            var rest = output[...]
            while !rest.isEmpty {
                do throws(RingError) {
                    // In short waits: a signal ends none of them, nor the command's timeout.
                    try writer.send(Array(rest.prefix(size)), timeout: .milliseconds(100))
                    rest = rest.dropFirst(size)
                } catch {
                    guard error.code == .timedOut else { return false }
                    if isOver() { return true }
                }
            }
            return true
        }
        // A client that wants no more, or wrote what no client writes, has ended its own call only.
        switch result {
        case .reply: try writer.finish()
        case .failure(let reason): try writer.refuse(Self.cut("'\(command[0])' \(reason)", limit))
        }
    }

    /// With as much of the sentence as fits.
    private func refuse(_ request: consuming CallRequest, _ sentence: String, _ limit: Int) throws {
        try request.refuse(Self.cut(sentence, limit))
    }

    private static func cut(_ sentence: String, _ limit: Int) -> String {
        var text = sentence[...]
        while text.utf8.count > limit { text.removeLast() }
        return String(text)
    }
}
