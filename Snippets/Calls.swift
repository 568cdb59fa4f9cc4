// A key-value service over calls: a server that holds the values, and clients that ask.
import SharedRing

/// A request: a word that says what to do, the key and the value.
enum Request {
    case get(String)
    case put(String, String)

    var text: String {
        switch self {
        case .get(let key): "get\t\(key)"
        case .put(let key, let value): "put\t\(key)\t\(value)"
        }
    }

    init?(_ text: String) {
        let words = text.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
        switch (words.first, words.count) {
        case ("get", 2): self = .get(words[1])
        case ("put", 3): self = .put(words[1], words[2])
        default: return nil
        }
    }
}

/// The service's side: answers until the task is cancelled.
func serve(_ service: CallService) async throws {
    var values: [String: String] = [:]
    // A client that was told that an outcome is unknown may ask again under the first call's name. What was done is not done twice.
    var done: Set<CallToken> = []
    var server = try service.makeServer()
    try await server.serve { request in
        switch Request(request.text) {
        case .get(let key):
            guard let value = values[key] else { return try request.refuse("no key '\(key)'") }
            try request.reply(value)
        case .put(let key, let value):
            if done.insert(request.token).inserted { values[key] = value }
            try request.reply("")
        case nil: try request.refuse("neither get nor put")
        }
    }
}

/// A client's side: the value, or nil if there is none.
func get(_ key: String, from client: CallClient) async throws(CallError) -> String? {
    do throws(CallError) {
        return try await client.call(Request.get(key).text, timeout: .seconds(10)).text
    } catch {
        guard error.outcome == .failed(.refused) else { throw error }
        return nil
    }
}

/// Sets a value: once, while the server lives that knows the first call's name. See below for one that dies.
func put(_ value: String, under key: String, through client: CallClient) async throws(CallError) {
    var first: CallToken?
    while true {
        do throws(CallError) {
            _ = try await client.call(Request.put(key, value).text, retrying: first, timeout: .seconds(10))
            return
        } catch {
            // Not executed: it is safe to ask again. Unknown: only under the first call's name.
            guard [.notExecuted, .unknown, .failed(.closed)].contains(error.outcome) else { throw error }
            first = first ?? error.token
        }
    }
}

let service = try CallService.openOrCreate("store")
let serving = Task { try await serve(service) }
let client = try service.makeClient()
try await put("1.0842", under: "EURUSD", through: client)
print(try await get("EURUSD", from: client) ?? "nothing", try await get("GBPUSD", from: client) ?? "nothing")
serving.cancel()
_ = await serving.result
try client.end()
try CallService.remove("store")
