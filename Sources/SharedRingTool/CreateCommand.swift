import SharedRing

/// `sharedring create`: an empty ring that stays.
struct CreateCommand {
    private let name: FileName
    private let lanes: LaneOptions
    private let options: RingOptions
    /// Nil: no broadcast.
    private let subscribers: Int?
    /// Nil: no call service.
    private let calls: CallService.Shape?

    init(_ arguments: Arguments) throws {
        name = arguments.name
        lanes = try LaneOptions(arguments)
        let subscribers = try arguments.count("--subscribers", upTo: 256)
        let isBroadcast = arguments.has("--broadcast")
        if subscribers != nil, !isBroadcast {
            throw ToolFailure.usage("'--subscribers' needs '--broadcast': any other ring has one receiver", of: arguments.command)
        }
        if isBroadcast, lanes.count != nil {
            throw ToolFailure.usage("'--broadcast' and '--lanes' exclude each other: a broadcast has one sender", of: arguments.command)
        }
        if let other = ["--broadcast", "--lanes", "--capacity", "--alignment"].first(where: arguments.has), arguments.has("--calls") {
            throw ToolFailure.usage("'--calls' and '\(other)' exclude each other", of: arguments.command)
        }
        if let other = ["--clients", "--servers", "--request", "--reply", "--streams"].first(where: arguments.has),
            !arguments.has("--calls")
        {
            throw ToolFailure.usage("'\(other)' needs '--calls'", of: arguments.command)
        }
        calls = arguments.has("--calls") ? try CallOptions(arguments).shape : nil
        self.subscribers = isBroadcast ? subscribers ?? BroadcastRing.defaultSubscribers : nil
        var options = RingOptions()
        options.directoryName = try arguments.directory()
        if let capacity = try arguments.capacity() { options.capacity = capacity }
        if let alignment = try arguments.size("--alignment") { options.recordAlignment = alignment }
        let mode = try arguments.value("--mode", "file mode in octal, like 0600") { word -> UInt32? in
            UInt32(word, radix: 8).flatMap { $0 <= 0o777 ? $0 : nil }
        }
        if let mode { options.permissions = mode }
        if let label = try arguments.value("--label", "text", { $0 }) { options.label = label }
        let barrier = try arguments.value("--barrier", "barrier: automatic, asymmetric or symmetric") { word -> RingOptions.Barrier? in
            switch word {
            case "automatic": .automatic
            case "asymmetric": .asymmetric
            case "symmetric": .symmetric
            default: nil
            }
        }
        if let barrier { options.barrier = barrier }
        options.isPersistent = true
        self.options = options
    }

    func run() throws {
        if let calls {
            _ = try CallService.create(named: name, shape: calls, options: options)
        } else if let subscribers {
            _ = try BroadcastRing.create(named: name, subscribers: subscribers, options: options)
        } else if let count = lanes.count {
            _ = try MPSCRing.create(named: name, lanes: count, order: lanes.order, options: options)
        } else {
            _ = try SPSCRing.create(named: name, options: options)
        }
    }
}
