import CSharedRing

/// What a reader of one or several entries needs: the mapped board, the entries' protocol state, its way of waiting.
@usableFromInline
@safe
final class BoardReaderCore: @unchecked Sendable {
    let board: MappedBoard
    let sleeper: Sleeper
    let watch: Watch
    let cancelFlag: CancelFlag
    /// Whether entries that are added later belong to it.
    private let isWhole: Bool
    private(set) var facts: [EntryFacts]
    /// The entries' protocol state, at a fixed address, with room for all that can come.
    private let place: UnsafeMutablePointer<EntryReader>
    private let generation = sr_fork_generation()
    /// Thrown at a caller while a waiter thread has this reader.
    @safe @exclusivity(unchecked) private var refusal: RingError?
    /// What an asynchronous wait found out: the next call of the owner throws it.
    private var failure: RingError?
    /// The event word of a reader that may not write the board's: only its canceller uses it. And the count of sleeps.
    private let own: OwnWords

    /// - Parameters:
    ///   - keys: which entries; nil: all, also those that are added later.
    ///   - polling: how often to look while waiting where this process may not write the board.
    init(
        _ keys: [[UInt8]]?, of handle: BoardHandle, waiting: WaitStrategy, polling: Duration, _ endpoint: EndpointOptions
    ) throws(RingError) {
        board = try MappedBoard(handle, endpoint)
        own = OwnWords()
        isWhole = keys == nil
        let chosen: [EntryFacts]
        if let keys {
            var found: [EntryFacts] = []
            for key in keys {
                guard let entry = try board.blocks.find(key) else { throw handle.noEntry(key) }
                found.append(entry)
            }
            chosen = found
        } else {
            chosen = try board.blocks.all()
        }
        // A reader of one entry sleeps on that entry's word, so that no other's writer has to wake it.
        let word: SleepWord
        if !board.canWait {
            word = unsafe .eventCount(own.event)
        } else if let keys, keys.count == 1 {
            word = unsafe .eventCount(sr_entry_event_word(board.blocks.block(chosen[0].number)))
        } else {
            word = unsafe .eventCount(sr_board_event_word(board.blocks.control))
        }
        cancelFlag = CancelFlag(word: word, keeping: Keeper(board, own))
        sleeper = unsafe Sleeper(
            word: word, barrier: board.canWait && board.segment.header.usesAsymmetricBarrier ? .membarrier : .symmetric, strategy: waiting,
            slice: board.canWait ? endpoint.checkInterval.wholeNanoseconds : max(1, polling.wholeNanoseconds), cancelFlag: cancelFlag,
            sleeps: own.sleeps, ring: board.ring, isPolling: !board.canWait)
        watch = Watch(sleeper)
        facts = chosen
        unsafe place = .allocate(capacity: max(1, isWhole ? board.shape.entryCount : chosen.count))
        for (index, one) in chosen.enumerated() { unsafe (place + index).initialize(to: EntryReader(one, of: board)) }
    }

    // The state is made of numbers and pointers only.
    deinit { unsafe place.deallocate() }

    // SAFETY, for all of these: `place` has as many initialised states as there are facts, and an index is one of them: 0, or one that `index(of:)`
    // or a loop over `facts` gave. One user at a time has this core, its owner or the waiter thread.

    /// An address for no bytes.
    var noBytes: UnsafeMutableRawPointer { unsafe UnsafeMutableRawPointer(place) }

    /// How many entries it has.
    var count: Int { facts.count }
    /// The newest version of an entry.
    func version(_ index: Int) -> UInt64 { unsafe place[index].version }

    @inline(__always)
    func requireUsable() throws(RingError) {
        guard generation == sr_fork_generation() else {
            throw RingError(.forked, ring: board.ring, "this reader belongs to the parent of this forked process")
        }
        if let refusal { throw refusal }
    }

    // MARK: Reading

    /// Copies an entry's value, if there is room for it. Nil: there is no value yet.
    ///
    /// - Returns: which value it is. If it is larger than `room`, nothing was copied.
    @usableFromInline
    func read(_ index: Int, into target: UnsafeMutableRawPointer, room: Int) throws(RingError) -> BoardStamp? {
        try requireUsable()
        let reader = unsafe place + index
        for _ in 0..<EntryReader.mostTries {
            guard let found = unsafe reader.pointee.look() else {
                if unsafe reader.pointee.seen != 0 {
                    throw unsafe EntryReader.Fault.wentBack.error(nil, reader.pointee, facts[index], ring: board.ring)
                }
                return nil
            }
            if unsafe reader.pointee.fits(found), found.byteCount <= room {
                // SAFETY: the count is that of the copy that was checked; the slot has room for the entry's capacity, and the target for this.
                unsafe sr_copy(target, found.value, Int64(found.byteCount))
            }
            guard unsafe reader.pointee.isWhole(found) else { continue }
            if let fault = unsafe reader.pointee.accept(found) {
                throw unsafe fault.error(found, reader.pointee, facts[index], ring: board.ring)
            }
            return found.stamp
        }
        throw tooFast(index)
    }

    @inline(never)
    private func tooFast(_ index: Int) -> RingError {
        RingError(
            .writerTooFast, ring: board.ring,
            "entry '\(facts[index].name)' was written anew while it was read, \(EntryReader.mostTries) times in a row; its last version is \(unsafe place[index].version)"
        )
    }

    /// The same of a value that has exactly that size. False: there is no value yet. Throws `sizeMismatch`.
    @usableFromInline
    func read(_ index: Int, into target: UnsafeMutableRawPointer, exactly size: Int) throws(RingError) -> Bool {
        do throws(RingError) {
            guard let stamp = try unsafe read(index, into: target, room: size) else { return false }
            guard stamp.byteCount == size else { throw mismatch(index, stamp, "a type of \(size) bytes was asked for") }
            return true
        } catch {
            throw error.aboutBoard
        }
    }

    func mismatch(_ index: Int, _ stamp: BoardStamp, _ other: String) -> RingError {
        RingError(
            .sizeMismatch, ring: board.ring, "entry '\(facts[index].name)' has a value of \(stamp.byteCount) bytes, and \(other)")
    }

    /// A copy of an entry's value. Nil: there is none yet.
    func value(_ index: Int) throws(RingError) -> BoardValue? {
        try requireUsable()
        var room = min(unsafe place[index].look()?.byteCount ?? 0, facts[index].capacity)
        while true {
            var bytes = [UInt8](repeating: 0, count: room)
            var result: Result<BoardStamp?, RingError> = .success(nil)
            // SAFETY: the array's own bytes, for the length of the call; an empty one may have no address, and then nothing is copied.
            unsafe bytes.withUnsafeMutableBytes { buffer in
                var none: UInt8 = 0
                let size = buffer.count
                unsafe withUnsafeMutableBytes(of: &none) { nothing in
                    let target = unsafe buffer.baseAddress ?? nothing.baseAddress!
                    do throws(RingError) { result = .success(try unsafe read(index, into: target, room: size)) } catch {
                        result = .failure(error)
                    }
                }
            }
            guard let stamp = try result.get() else { return nil }
            if stamp.byteCount <= room {
                bytes.removeLast(room - stamp.byteCount)
                return BoardValue(stamp, bytes)
            }
            // A larger value came meanwhile. The second try has room for every one.
            room = facts[index].capacity
        }
    }

    /// Copies of the values of several entries, as all of them stood at one moment.
    func snapshot() throws(RingError) -> [BoardValue?] {
        try requireUsable()
        try findNewEntries()
        var bytes: [UInt8] = []
        for _ in 0..<EntryReader.mostTries {
            let found = facts.indices.map { unsafe place[$0].look() }
            let sizes = zip(facts, found).map { facts, found in
                if let found, found.byteCount <= facts.capacity { found.byteCount } else { 0 }
            }
            let size = sizes.reduce(0, +)
            if bytes.count < size { bytes = [UInt8](repeating: 0, count: size) }
            var start = 0
            for (found, size) in zip(found, sizes) {
                guard let found, size > 0 else { continue }
                // SAFETY: as in `read`; the sizes are those of the copies that were checked, and their sum is the array's.
                unsafe bytes.withUnsafeMutableBytes { unsafe sr_copy($0.baseAddress! + start, found.value, Int64(size)) }
                start += size
            }
            // SYNC: board-slot (pairs with EntryWriter.begin): all copies before, all turns after.
            sr_fence_acquire()
            // Each turn as it was. That each value is whole would not be enough: the first might have changed before the last was read.
            guard facts.indices.allSatisfy({ unsafe place[$0].version == found[$0]?.turn ?? 0 }) else { continue }
            var values: [BoardValue?] = []
            start = 0
            for index in facts.indices {
                guard let one = found[index] else {
                    if unsafe place[index].seen != 0 {
                        throw unsafe EntryReader.Fault.wentBack.error(nil, place[index], facts[index], ring: board.ring)
                    }
                    values.append(nil)
                    continue
                }
                if let fault = unsafe place[index].accept(one) {
                    throw unsafe fault.error(one, place[index], facts[index], ring: board.ring)
                }
                values.append(BoardValue(one.stamp, Array(bytes[start..<(start + one.byteCount)])))
                start += one.byteCount
            }
            return values
        }
        throw RingError(
            .writerTooFast, ring: board.ring,
            "one of \(count) entries was written anew while they were read, \(EntryReader.mostTries) times in a row")
    }

    /// Entries that were added since.
    func findNewEntries() throws(RingError) {
        guard isWhole else { return }
        while count < board.shape.entryCount, let next = try board.blocks.entry(count) {
            unsafe (place + count).initialize(to: EntryReader(next, of: board))
            facts.append(next)
        }
    }

    // MARK: Waiting

    /// Sets which version of an entry the user knows.
    func setKnown(_ version: UInt64, _ index: Int) { unsafe place[index].known = version }

    /// Which entries have a newer value than the user knows; the user knows them from now on.
    func takeChanges() throws(RingError) -> [(index: Int, version: UInt64)] {
        try requireUsable()
        if let failure {
            self.failure = nil
            throw failure
        }
        try findNewEntries()
        var changes: [(index: Int, version: UInt64)] = []
        for index in facts.indices {
            let version = unsafe place[index].version
            guard unsafe version != place[index].known else { continue }
            unsafe place[index].known = version
            changes.append((index, version))
        }
        return changes
    }

    /// Blocks until there are changes.
    func waitForChanges(until deadline: Deadline) throws(RingError) -> [(index: Int, version: UInt64)] {
        func news() throws(RingError) -> [(index: Int, version: UInt64)]? {
            let changes = try takeChanges()
            return changes.isEmpty ? nil : changes
        }
        try requireUsable()
        return try sleeper.wait(until: deadline, for: "change") { () throws(RingError) in
            try news()
        } lookAround: { () throws(RingError) in
            if let changes = try news() { return changes }
            try requireNotRemoved()
            return nil
        }
    }

    /// Waits for changes without holding a thread.
    func waitForChangesWithoutThread(until deadline: Deadline) async throws(RingError) -> [(index: Int, version: UInt64)] {
        while true {
            try sleeper.requireNotCancelled("change")
            let changes = try takeChanges()
            if !changes.isEmpty { return changes }
            try watch.occupy(self)
            try await watch.ready(self, until: deadline, "change")
        }
    }

    private func requireNotRemoved() throws(RingError) {
        guard board.isRemoved else { return }
        throw RingError(.notFound, ring: board.ring, "it was removed, so no more changes are to be expected")
    }
}

extension BoardReaderCore: Awaited {
    func prepareToWait() throws(RingError) { try requireUsable() }

    func isReady() -> Bool {
        if failure != nil { return true }
        if isWhole, count < board.shape.entryCount {
            do throws(RingError) { try findNewEntries() } catch {
                failure = error
                return true
            }
        }
        return facts.indices.contains { unsafe place[$0].hasChanged }
    }

    func isReadyOnLookingAround() -> Bool {
        if isReady() { return true }
        do throws(RingError) { try requireNotRemoved() } catch { failure = error }
        return failure != nil
    }

    func handOver(saying error: RingError) { refusal = error }

    func takeBack() { refusal = nil }
}

/// The event word of a reader that may not write the board's, and the count of sleeps, which a reader keeps to itself.
@safe
private final class OwnWords: @unchecked Sendable {
    let event: UnsafeMutablePointer<UInt32>
    let sleeps: UnsafeMutablePointer<UInt64>

    init() {
        unsafe event = .allocate(capacity: 1)
        unsafe event.initialize(to: 0)
        unsafe sleeps = .allocate(capacity: 1)
        unsafe sleeps.initialize(to: 0)
    }

    deinit {
        unsafe event.deallocate()
        unsafe sleeps.deallocate()
    }
}

/// What keeps the words that a reader's canceller uses.
private final class Keeper: Sendable {
    private let board: MappedBoard
    private let own: OwnWords

    init(_ board: MappedBoard, _ own: OwnWords) {
        self.board = board
        self.own = own
    }
}
