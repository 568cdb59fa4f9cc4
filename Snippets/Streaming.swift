// Streams: replies of many parts.

import SharedRing

let service = try CallService.anonymous(shape: CallService.Shape(clients: 4, streamCapacity: 65536))

/// Answers each request with as many lines as it asks for.
func serveLines(_ server: inout CallServer) async throws {
    try await server.serve { request in
        let count = request.value(as: UInt64.self) ?? 0
        var stream = try request.stream()
        for number in 0..<count { try await stream.send("line \(number)") }
        try stream.finish("that was all")
    }
}

/// Reads them, in place, one after another.
func readLines(_ client: CallClient, _ count: UInt64) async throws {
    var stream = try await client.stream(withUnsafeBytes(of: count) { Array($0) }, timeout: .seconds(10))
    while try await stream.next() { print(stream.text) }
    print(stream.takeReply()?.text ?? "")
}

let server = Task {
    var server = try service.makeServer()
    try await serveLines(&server)
}
let client = try service.makeClient()
try await readLines(client, 3)

/// Only the first one: the stream is stopped when the loop is left.
for try await part in client.parts(of: withUnsafeBytes(of: UInt64.max) { Array($0) }) {
    print(part.count)
    break
}
server.cancel()
