// expected: expression is 'async' but is not marked with 'await'
import SharedRing

func sendInTask(_ bytes: [UInt8], to producer: inout Producer) async throws {
    try producer.send(bytes.span.bytes)
}
