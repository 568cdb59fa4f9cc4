// Errors of one kind caught, the others passed on.
import SharedRing

/// In a function that makes an endpoint and throws any error: the last clause is a plain `catch`.
func sendIfThereIsRoom(_ text: String, to ring: SPSCRing) throws {
    var producer = try ring.makeProducer()
    do {
        try producer.send(text, timeout: .zero)
    } catch let error where error.code == .timedOut {
        print("no room for", text)
    } catch {
        throw error
    }
    try producer.close()
}

/// In a scope no such clause is needed.
func sendInScope(_ text: String, to ring: SPSCRing) throws {
    try ring.withProducer { producer in
        do {
            try producer.send(text, timeout: .zero)
        } catch let error as RingError where error.code == .timedOut {
            print("no room for", text)
        }
    }
}

/// Nor in a function that throws nothing but `RingError`.
func sendTyped(_ text: String, to ring: SPSCRing) throws(RingError) {
    var producer = try ring.makeProducer()
    do {
        try producer.send(text, timeout: .zero)
    } catch let error where error.code == .timedOut {
        print("no room for", text)
    }
    try producer.close()
}

let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
try ring.withProducer { producer in
    while try producer.trySend("filling") {}
}
try sendIfThereIsRoom("one", to: ring)
try sendInScope("two", to: ring)
try sendTyped("three", to: ring)
