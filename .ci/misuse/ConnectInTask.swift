// expected: expression is 'async' but is not marked with 'await'
import SharedRing

func connectInTask(path: String) async throws {
    try Link.connect(path: path).close()
}
