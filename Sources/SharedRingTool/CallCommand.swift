import SharedRing

/// `sharedring call`: one call of a service. Standard input is the request, standard output the reply.
struct CallCommand {
    private let name: FileName
    private let options: RingOptions
    private let timeout: Duration?
    private let token: CallToken?
    private let isStream: Bool

    init(_ arguments: Arguments) throws {
        name = arguments.name
        options = try arguments.findingOptions()
        timeout = try arguments.value("--timeout", "duration, like 500ms, 2s or 1m", DurationNotation.duration)
        isStream = arguments.has("--stream")
        token = try arguments.value("--retry", "token, as an error names it") { CallToken($0) }
    }

    func run() throws {
        let service = try CallService.open(named: name, options: options)
        let request = try StandardStreams.rest(upTo: service.shape.requestCapacity)
        let client = try service.makeClient(slots: 1)
        if isStream { return try stream(client, request) }
        let reply: [UInt8]
        do throws(CallError) { reply = try client.call(request, retrying: token, timeout: timeout).array } catch {
            throw Self.failure(error)
        }
        try reply.withUnsafeBytes { try StandardStreams.write($0) }
    }

    /// Each part is written as it comes, and the reply behind the last one. If standard output takes no more, the stream is stopped.
    private func stream(_ client: CallClient, _ request: [UInt8]) throws {
        var stream: CallStream
        do throws(CallError) { stream = try client.stream(request, retrying: token, timeout: timeout) } catch { throw Self.failure(error) }
        while true {
            let isMore: Bool
            do throws(CallError) { isMore = try stream.next() } catch { throw Self.failure(error) }
            guard isMore else { break }
            try stream.bytes.withUnsafeBytes { try StandardStreams.write($0) }
        }
        guard let reply = stream.takeReply() else { return }
        try reply.bytes.withUnsafeBytes { try StandardStreams.write($0) }
    }

    /// What is known of the request, the service's own words, and how to repeat the call.
    private static func failure(_ error: CallError) -> ToolFailure {
        var sentence = "\(error)"
        if !error.refusal.isEmpty { sentence += ": \(error.refusalText.printable)" }
        if error.outcome == .unknown || error.outcome == .stillOpen, let token = error.token {
            sentence += "; '--retry \(token)' repeats it under the same name"
        }
        return ToolFailure(sentence, status: error.reason.code == .timedOut ? ToolFailure.timeout : ToolFailure.error)
    }
}
