import Testing

@testable import SharedRing

@Test("A message sent is a message received") func smoke() throws {
    try SPSCRing.withEndpoints { producer, consumer in
        try producer.send("hello", tag: 7)
        let text = try consumer.poll()
        #expect(text == "hello")
    }
    let place = Place()
    let peer = try Peer("producer", of: "a", in: place)
    #expect(try peer.ask("send x") == "sent")
}
