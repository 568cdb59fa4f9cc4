// expected: expression is 'async' but is not marked with 'await'
import SharedRing

func callInTask(of client: CallClient, _ bytes: [UInt8]) async throws {
    let reply = try client.call(bytes.span.bytes)
    print(reply.text)
}
