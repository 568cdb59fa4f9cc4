import Glibc
import SharedRing

/// How `send` and `receive` come to their ring: they find one, of whatever kind, or make it.
struct RingAccess {
    /// A ring of either kind.
    enum Ring {
        case single(SPSCRing)
        case merging(MPSCRing)
        case broadcast(BroadcastRing)

        var capacity: Int {
            switch self {
            case .single(let ring): ring.capacity
            case .merging(let ring): ring.capacity
            case .broadcast(let ring): ring.capacity
            }
        }

        /// "4 lanes in total order".
        var shape: String {
            switch self {
            case .single: "one lane, for one sender at a time"
            case .merging(let ring): "\(counted(ring.laneCount, "lane")) in \(ring.order.word) order"
            case .broadcast: "one publisher and subscribers"
            }
        }
    }

    let name: FileName
    private let lanes: LaneOptions
    private let options: RingOptions
    private let capacity: Int?
    /// Whether none is made.
    private let mustExist: Bool
    /// Whether it is to be a broadcast.
    private let isBroadcast: Bool
    /// An option that has a meaning for broadcasts only, if it was given.
    private let broadcastOption: String?
    /// Whether a ring that is there must be as the command line says.
    private let isExact: Bool

    init(_ arguments: Arguments, isPersistent: Bool) throws {
        name = arguments.name
        lanes = try LaneOptions(arguments)
        capacity = try arguments.capacity()
        mustExist = arguments.has("--existing")
        isBroadcast = arguments.has("--subscribe")
        broadcastOption = ["--patience"].first(where: arguments.has)
        var options = try arguments.findingOptions()
        if let capacity { options.capacity = capacity }
        options.isPersistent = isPersistent
        isExact = arguments.has("--exact")
        if isExact {
            if capacity != nil { options.exactTraits.insert(.capacity) }
            if lanes.count != nil { options.exactTraits.insert(.laneCount) }
            if lanes.hasOrder { options.exactTraits.insert(.order) }
        }
        self.options = options
    }

    func report() throws(RingError) -> RingReport { try RingReport(named: name, options: options) }

    /// Takes a role of the ring of that name. If there is none, it is made: for many senders if `--lanes` says so.
    func attach<Endpoint: ~Copyable>(_ take: (Ring) throws(RingError) -> Endpoint) throws -> Endpoint {
        // The ring may be removed, or another made, at any moment: each further turn means that a process did.
        var turn = 0
        func requireOvertaken(_ error: RingError, _ kind: RingKind?) throws {
            turn += 1
            guard turn < 100, try isOvertaken(error, kind) else { throw error }
            usleep(1_000)
        }
        while true {
            let kind = try existingKind()
            // Before a ring is made: it would be none.
            if let broadcastOption, kind != .broadcast {
                throw ToolFailure(
                    kind.map { "'\(name)' is no broadcast but of kind \($0.rawValue), and '\(broadcastOption)' is for broadcasts" }
                        ?? "there is no broadcast '\(name)', and '\(broadcastOption)' is for broadcasts; 'sharedring create --broadcast' makes one"
                )
            }
            let ring: Ring
            do throws(RingError) {
                ring = try self.ring(kind)
            } catch {
                try requireOvertaken(error, kind)
                continue
            }
            if isBroadcast, let kind, kind != .broadcast {
                throw ToolFailure(
                    "ring '\(name)' is there already, of kind \(kind.rawValue), with \(ring.shape): there is nothing to subscribe to")
            }
            if isExact, let difference = differences(ring).first {
                throw ToolFailure("ring '\(name)' is there already, with \(difference.fact)")
            }
            do throws(RingError) {
                let endpoint = try take(ring)
                noteDifferences(ring)
                return endpoint
            } catch {
                try requireOvertaken(error, kind)
            }
        }
    }

    /// Nil: there is no ring of that name.
    private func existingKind() throws(RingError) -> RingKind? {
        do throws(RingError) {
            return try report().kind
        } catch {
            if error.code == .notFound, !mustExist { return nil }
            throw error
        }
    }

    private func ring(_ existing: RingKind?) throws(RingError) -> Ring {
        switch (existing, lanes.count) {
        // Should it go away meanwhile, none is made.
        case (.broadcast, _): .broadcast(try BroadcastRing.open(named: name, options: options))
        case (.spsc, _) where mustExist: .single(try SPSCRing.open(named: name, options: options))
        case (.mpsc, _) where mustExist: .merging(try MPSCRing.open(named: name, options: options))
        case (nil, _) where isBroadcast: .broadcast(try BroadcastRing.openOrCreate(named: name, options: options))
        case (nil, nil), (.spsc, nil): .single(try SPSCRing.openOrCreate(named: name, options: options))
        case (nil, let count?), (.mpsc, let count?):
            .merging(try MPSCRing.openOrCreate(named: name, lanes: count, order: lanes.order, options: options))
        // Not what would be made here, should it go away meanwhile.
        case (.spsc, _?): .single(try SPSCRing.open(named: name, options: options))
        case (.mpsc, nil): .merging(try MPSCRing.open(named: name, options: options))
        // A board and a call service have no lanes: the library says what they are.
        case (.board, _), (.call, _): .single(try SPSCRing.open(named: name, options: options))
        }
    }

    /// Whether the ring is another than it was when it was looked at.
    private func isOvertaken(_ error: RingError, _ kind: RingKind?) throws(RingError) -> Bool {
        switch error.code {
        case .notFound, .replaced: true
        // Of another kind, or for a reason that trying again does not change.
        case .incompatible: try existingKind() != kind
        default: false
        }
    }

    // MARK: What counts only for a new ring

    /// What is asked for and is otherwise, and by which options.
    private func differences(_ ring: Ring) -> [(fact: String, options: String)] {
        var differences: [(fact: String, options: String)] = []
        if let capacity, ring.capacity != rounded(capacity) {
            differences.append(("a capacity of \(counted(ring.capacity, "byte"))", "'--capacity' counts"))
        }
        guard let count = lanes.count else { return differences }
        let isAsAsked =
            switch ring {
            case .single, .broadcast: false
            case .merging(let ring): ring.laneCount == count && (!lanes.hasOrder || ring.order == lanes.order)
            }
        return isAsAsked ? differences : differences + [(ring.shape, "'--lanes' and '--order' count")]
    }

    private func noteDifferences(_ ring: Ring) {
        for (fact, options) in differences(ring) {
            StandardStreams.note("note: ring '\(name)' is there already, with \(fact); \(options) only for a new one")
        }
    }

    /// What a ring asked to have this capacity has.
    private func rounded(_ capacity: Int) -> Int {
        var size = sysconf(Int32(_SC_PAGESIZE))
        while size < capacity { size *= 2 }  // ends: `Arguments.capacity` has a limit far below 2^62
        return size
    }
}
