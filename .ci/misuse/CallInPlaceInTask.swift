// expected: expression is 'async' but is not marked with 'await'
import SharedRing

func callInPlaceInTask(of client: CallClient) async throws {
    let reply = try client.call(byteCount: 1) { span in span.storeBytes(of: 7, toByteOffset: 0, as: UInt8.self) }
    print(reply.text)
}
