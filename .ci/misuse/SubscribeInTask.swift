// expected: expression is 'async' but is not marked with 'await'
import SharedRing

func subscribeInTask(to ring: BroadcastRing) async throws {
    try ring.makeSubscriber(.lossy).close()
}
