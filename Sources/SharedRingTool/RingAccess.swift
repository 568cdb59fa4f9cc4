import Glibc
import SharedRing

/// How `send` and `receive` come to their ring: they find one, of whatever kind, or make it.
struct RingAccess {
    /// A ring of either kind.
    enum Ring {
        case single(SPSCRing)
        case merging(MPSCRing)

        var capacity: Int {
            switch self {
            case .single(let ring): ring.capacity
            case .merging(let ring): ring.capacity
            }
        }

        /// "4 lanes in total order".
        var shape: String {
            switch self {
            case .single: "one lane, for one sender at a time"
            case .merging(let ring): "\(counted(ring.laneCount, "lane")) in \(ring.order.word) order"
            }
        }
    }

    let name: String
    private let lanes: LaneOptions
    private let options: RingOptions
    private let capacity: Int?
    /// Whether none is made.
    private let mustExist: Bool

    init(_ arguments: Arguments, isPersistent: Bool) throws {
        name = arguments.name
        lanes = try LaneOptions(arguments)
        capacity = try arguments.capacity()
        mustExist = arguments.has("--existing")
        var options = try arguments.findingOptions()
        if let capacity { options.capacity = capacity }
        options.isPersistent = isPersistent
        self.options = options
    }

    func report() throws(RingError) -> RingReport { try RingReport(name, options: options) }

    /// Takes a role of the ring of that name. If there is none, it is made: for many senders if `--lanes` says so.
    func attach<Endpoint: ~Copyable>(_ take: (Ring) throws(RingError) -> Endpoint) throws(RingError) -> Endpoint {
        // The ring may be removed, or another made, at any moment: each further turn means that somebody did.
        var turn = 0
        while true {
            let kind = try existingKind()
            do throws(RingError) {
                let ring = try ring(kind)
                let endpoint = try take(ring)
                noteDifferences(ring)
                return endpoint
            } catch {
                turn += 1
                guard turn < 100, try isOvertaken(error, kind) else { throw error }
                usleep(1_000)
            }
        }
    }

    /// Nil: there is no ring of that name.
    private func existingKind() throws(RingError) -> RingReport.Kind? {
        do throws(RingError) {
            return try report().kind
        } catch {
            if error.code == .notFound, !mustExist { return nil }
            throw error
        }
    }

    private func ring(_ existing: RingReport.Kind?) throws(RingError) -> Ring {
        switch (existing, lanes.count) {
        // Should it go away meanwhile, none is made.
        case (.spsc, _) where mustExist: .single(try SPSCRing.open(name, options: options))
        case (.mpsc, _) where mustExist: .merging(try MPSCRing.open(name, options: options))
        case (nil, nil), (.spsc, nil): .single(try SPSCRing.openOrCreate(name, options: options))
        case (nil, let count?), (.mpsc, let count?):
            .merging(try MPSCRing.openOrCreate(name, lanes: count, order: lanes.order, options: options))
        // Not what would be made here, should it go away meanwhile.
        case (.spsc, _?): .single(try SPSCRing.open(name, options: options))
        case (.mpsc, nil): .merging(try MPSCRing.open(name, options: options))
        }
    }

    /// Whether the ring is another than it was when it was looked at.
    private func isOvertaken(_ error: RingError, _ kind: RingReport.Kind?) throws(RingError) -> Bool {
        switch error.code {
        case .notFound, .replaced: true
        // Of another kind, or for a reason that trying again does not change.
        case .incompatible: try existingKind() != kind
        default: false
        }
    }

    // MARK: What counts only for a new ring

    private func noteDifferences(_ ring: Ring) {
        if let capacity, ring.capacity != rounded(capacity) {
            note("a capacity of \(counted(ring.capacity, "byte"))", "'--capacity' counts")
        }
        guard let count = lanes.count else { return }
        if case .merging(let ring) = ring, ring.laneCount == count, !lanes.hasOrder || ring.order == lanes.order { return }
        note(ring.shape, "'--lanes' and '--order' count")
    }

    private func note(_ fact: String, _ options: String) {
        StandardStreams.note("note: ring '\(name)' is there already, with \(fact); \(options) only for a new one")
    }

    /// What a ring asked to have this capacity has.
    private func rounded(_ capacity: Int) -> Int {
        var size = sysconf(Int32(_SC_PAGESIZE))
        while size < capacity { size *= 2 }  // ends: `Arguments.capacity` has a limit far below 2^62
        return size
    }
}
