// expected: expression is 'async' but is not marked with 'await'
import SharedRing

func receiveInTask(from ring: SPSCRing) async throws {
    var consumer = try ring.makeConsumer()
    while let message = try consumer.next() { print(message.text) }
}
