// expected: expression is 'async' but is not marked with 'await'
import SharedRing

func receiveArrayInTask(from consumer: inout Consumer) async throws {
    let bytes = try consumer.receive()
    print(bytes ?? [])
}
