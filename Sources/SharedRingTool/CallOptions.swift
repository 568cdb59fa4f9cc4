import SharedRing

/// What a command line says of the shape of a service that is made now.
struct CallOptions {
    private let clients: Int?
    private let servers: Int?
    private let requestCapacity: Int?
    private let replyCapacity: Int?
    private let streamCapacity: Int?
    /// A server of streams makes no service without them.
    private let serves: Bool

    init(_ arguments: Arguments) throws {
        clients = try arguments.count("--clients", upTo: 1024)
        servers = try arguments.count("--servers", upTo: 64)
        requestCapacity = try arguments.size("--request", upTo: 1 << 27)
        replyCapacity = try arguments.size("--reply", upTo: 1 << 27)
        streamCapacity = try arguments.size("--streams", upTo: 1 << 29)
        serves = arguments.has("--stream")
    }

    /// With the library's own numbers where none is given.
    var shape: CallService.Shape {
        var shape = CallService.Shape()
        if let clients { shape.clients = clients }
        if let servers { shape.servers = servers }
        if let requestCapacity { shape.requestCapacity = requestCapacity }
        if let replyCapacity { shape.replyCapacity = replyCapacity }
        if let streamCapacity = streamCapacity ?? (serves ? 1 << 16 : nil) { shape.streamCapacity = streamCapacity }
        return shape
    }

    /// What is given and is otherwise in a service that is there, and by which option.
    func differences(_ found: CallService.Shape) -> [(fact: String, option: String)] {
        var differences: [(fact: String, option: String)] = []
        func compare(_ option: String, _ given: Int?, _ found: Int, _ fact: String) {
            if let given, given != found { differences.append((fact, option)) }
        }
        /// A smaller one is rounded up to what a slot's own line holds: see `CallService.shape`.
        func rounded(_ capacity: Int?) -> Int? { capacity.map { max(48, $0) } }
        compare("--clients", clients, found.clients, counted(found.clients, "slot") + " for clients")
        compare("--servers", servers, found.servers, counted(found.servers, "place") + " for servers")
        compare(
            "--request", rounded(requestCapacity), found.requestCapacity, "requests of up to \(counted(found.requestCapacity, "byte"))")
        compare("--reply", rounded(replyCapacity), found.replyCapacity, "replies of up to \(counted(found.replyCapacity, "byte"))")
        // One is rounded up to a power of two: see `CallService.Shape`.
        let isOther = streamCapacity.map { $0 > found.streamCapacity || 2 * max($0, 128) <= found.streamCapacity } ?? false
        if isOther || serves && found.streamCapacity == 0 {
            let fact = found.streamCapacity == 0 ? "no streams" : "streams through \(counted(found.streamCapacity, "byte"))"
            differences.append((fact, streamCapacity == nil ? "--stream" : "--streams"))
        }
        return differences
    }
}
