// The same code for both kinds of consumer.
import SharedRing

/// Takes what is there now, without waiting.
func takeAll<Source: MessageSource & ~Copyable>(from source: inout Source) -> [String] {
    var texts: [String] = []
    source.drain { message in texts.append(message.text) }
    return texts
}

func takeFromBoth(_ one: SPSCRing, _ many: MPSCRing) throws(RingError) -> [String] {
    var consumer = try one.makeConsumer()
    var merging = try many.makeConsumer()
    return takeAll(from: &consumer) + takeAll(from: &merging)
}

let one = try SPSCRing.anonymous()
let many = try MPSCRing.anonymous(lanes: 2)
var left = try one.makeProducer()
var right = try many.makeProducer()
try left.send("left")
try right.send("right")
print(try takeFromBoth(one, many))
