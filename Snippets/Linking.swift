// A service at a path, and its clients: each gets a link of its own.
import Dispatch
import Glibc
import SharedRing

func serve(at path: String) throws {
    let listener = try LinkListener(path: path)
    let link = try listener.accept { refused in print("not a client: \(refused)") }
    var box: Link? = consume link
    Task { try await answer(box.take()!) }
    listener.close()
}

/// A link taken apart: one endpoint each for whoever needs it.
func answer(_ link: consuming Link) async throws {
    let producer = link.producer
    let consumer = link.consumer
    for try await question in consumer.messages() {
        try await producer.send("\(question.text)? Yes.", tag: question.tag)
    }
    try producer.close()
}

/// Asks until it has an answer, however often the service is started anew meanwhile.
func ask(_ question: String, at path: String) throws(RingError) -> String {
    while true {
        do throws(RingError) {
            var link = try Link.connect(path: path, timeout: .seconds(10))
            try link.producer.send(question)
            guard let answer = try link.consumer.receive() else { continue }  // it closed, and did not answer
            try link.close()
            return String(decoding: answer, as: UTF8.self)
        } catch {
            guard error.code == .peerDied || error.code == .peerClosed else { throw error }
        }
    }
}

let path = "/tmp/sharedring-snippet-\(getpid())"
DispatchQueue.global().async { try? serve(at: path) }
print(try ask("Is anybody there", at: path))
unlink(path + ".lock")
