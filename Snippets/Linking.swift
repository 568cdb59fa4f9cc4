// A service at a path, and its clients: each gets a link of its own.
import Glibc
import SharedRing

func serve(at path: String) async throws {
    let listener = try LinkListener(path: path)
    let link = try await listener.accept { refused in print("not a client: \(refused)") }
    try await answer(link)
    listener.close()
}

/// A link taken apart: its endpoints go to different owners.
func answer(_ link: consuming Link) async throws {
    let producer = link.producer
    let consumer = link.consumer
    for try await question in consumer.messages() {
        try await producer.send("\(question.text)? Yes.", tag: question.tag)
    }
    try producer.close()
}

/// Asks until it has an answer, however often the service is started anew meanwhile.
func ask(_ question: String, at path: String) async throws(RingError) -> String {
    while true {
        do throws(RingError) {
            let link = try await Link.connect(path: path, timeout: .seconds(10))
            let producer = link.producer
            let answers = link.consumer.messages()
            try await producer.send(question)
            for try await answer in answers {
                try producer.close()
                return answer.text
            }
            // It closed, and did not answer.
        } catch {
            guard error.code == .peerDied || error.code == .peerClosed else { throw error }
        }
    }
}

let path = "/tmp/sharedring-snippet-\(getpid())"
let service = Task { try await serve(at: path) }
print(try await ask("Is anybody there", at: path))
try await service.value
