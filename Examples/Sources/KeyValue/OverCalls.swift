import SharedRing

/// The store behind calls. This is all of it: frames, connections, their ends and their errors are the library's.
func serveCalls(_ name: String, waiting: WaitStrategy) throws {
    let store = Store()
    var server = try CallService.openOrCreate(name).makeServer(waiting: waiting)
    say("ready")
    try server.serve { request, answer in
        switch store.answer(request.text) {
        case .value(let text): try answer.reply(text)
        case .refused(let text): try answer.refuse(text)
        }
    }
}

/// A client of it.
struct CallsClient {
    private let client: CallClient

    init(_ name: String, waiting: WaitStrategy) throws { client = try CallService.open(name).makeClient(waiting: waiting) }

    func ask(_ request: String) throws -> Store.Answer {
        do throws(CallError) {
            return .value(try client.call(request, timeout: .seconds(10)).text)
        } catch {
            guard error.outcome == .failed(.refused) else { throw error }
            return .refused(String(decoding: error.refusal, as: UTF8.self))
        }
    }
}
