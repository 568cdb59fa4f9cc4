// expected: expression is 'async' but is not marked with 'await'
import SharedRing

func acceptInTask(at listener: borrowing LinkListener) async throws {
    try listener.accept().close()
}
