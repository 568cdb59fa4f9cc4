import SharedRing

/// What `info` and `check` are asked: about which ring, and in which form to answer.
struct RingQuestion {
    let name: String
    let options: RingOptions
    let wantsJSON: Bool

    init(_ arguments: Arguments) throws {
        name = arguments.name
        options = try arguments.findingOptions()
        wantsJSON = arguments.has("--json")
    }

    func answer(text: @autoclosure () -> String, json: @autoclosure () -> JSON) throws {
        try StandardStreams.print(wantsJSON ? "\(json())\n" : text())
    }
}
