// expected: expression is 'async' but is not marked with 'await'
import SharedRing

func waitInTask(for producer: inout Producer) async throws {
    try producer.waitForPeer(timeout: .seconds(1))
}
