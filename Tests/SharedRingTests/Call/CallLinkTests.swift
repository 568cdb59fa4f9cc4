import Foundation
import TestSupport
import Testing

@testable import SharedRing

@Suite("Calls through a listener: its clients share the service, and links stay links", .oneByOne)
struct CallLinkTests {
    let place = Place()
    private var path: String { place.path("calls.socket") }

    @Test("Clients of a listener call its service, by threads and by tasks") func calls() async throws {
        let service = try CallService.anonymous(shape: CallService.Shape(clients: 4))
        let listener = try LinkListener(path: path, serving: service)
        let serving = try ServingThread(echoing: service)
        try onThread {
            for number in 0..<3 {
                let client = try CallService.connect(path: path).makeClient(slots: 1)
                #expect(try client.call("\(number)", timeout: patience).text == "\(number)")
            }
        }
        let client = try await CallService.connect(path: path).makeClient(slots: 1)
        #expect(try await client.call("task", timeout: asyncPatience).text == "task")
        listener.close()
        // What was handed out goes on.
        #expect(try await client.call("on", timeout: asyncPatience).text == "on")
        try serving.end()
    }

    /// Blocks, which a task may not.
    private func onThread(_ body: () throws -> Void) throws { try body() }

    @Test("A client that wants the other thing is told what the listener hands out") func other() throws {
        let service = try CallService.anonymous()
        let calls = try LinkListener(path: path, serving: service)
        expectError(.incompatible, saying: "call service", "no links") { () throws(RingError) in _ = try Link.connect(path: path) }
        calls.close()
        let links = try LinkListener(path: path)
        expectError(.incompatible, saying: "hands out links") { () throws(RingError) in _ = try CallService.connect(path: path) }
        links.close()
        expectError(.notFound, saying: "no process listens") { () throws(RingError) in _ = try CallService.connect(path: path) }
    }

    @Test("A service with a name is not handed out") func named() throws {
        let service = try CallService.create("c", options: place.options())
        expectError(.invalidOption, saying: "anonymous", "'c'") { () throws(RingError) in _ = try LinkListener(path: path, serving: service)
        }
    }
}
