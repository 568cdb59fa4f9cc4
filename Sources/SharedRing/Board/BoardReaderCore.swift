public import CSharedRing

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
    private let generation: UInt32
    /// The fork generation in which the owner may use this reader: the one in which it was made, or `noGeneration` while a waiter thread has it. So
    /// that one comparison is enough for the fast path.
    @safe @exclusivity(unchecked) @usableFromInline var usableGeneration: UInt64
    /// What `sr_fork_generation` never returns: it has 32 bits.
    private static let noGeneration = UInt64.max
    /// Thrown at a caller while a waiter thread has this reader.
    private var refusal: RingError?
    /// What an asynchronous wait found out: the next call of the owner throws it.
    private var failure: RingError?
    /// How often a copy was in vain, because the entry was written anew meanwhile: for measurements.
    private(set) var retries: UInt64 = 0
    /// The event word of a reader that may not write the board's: only its canceller uses it. And the count of sleeps.
    private let own: OwnWords

    /// - Parameters:
    ///   - keys: which entries; nil: all, also those that are added later.
    ///   - polling: how often to look while waiting where this process may not write the board.
    init(
        _ keys: [[UInt8]]?, of handle: BoardHandle, waiting: WaitStrategy, polling: Duration, _ endpoint: EndpointOptions
    ) throws(RingError) {
        board = try MappedBoard(handle, endpoint)
        generation = sr_fork_generation()
        usableGeneration = UInt64(generation)
        own = OwnWords()
        isWhole = keys == nil
        let chosen: [EntryFacts]
        if let keys {
            var found: [EntryFacts] = []
            for (key, entry) in zip(keys, try board.blocks.find(keys)) {
                guard let entry else { throw handle.noEntry(key) }
                found.append(entry)
            }
            chosen = found
        } else {
            chosen = try board.blocks.all()
        }
        // A reader of one entry sleeps on that entry's word, so that no other's writer has to wake it.
        let word: SleepWord
        if !board.canWait {
            word = unsafe .eventCount(own.word)
        } else if let keys, keys.count == 1 {
            word = unsafe .eventCount(sr_entry_event_word(board.blocks.block(chosen[0].number)))
        } else {
            word = unsafe .eventCount(sr_board_event_word(board.blocks.control))
        }
        cancelFlag = CancelFlag(word: word, keeping: Keeper(board, own))
        sleeper = unsafe Sleeper(
            word: word, barrier: board.canWait && board.segment.header.usesAsymmetricBarrier ? .membarrier : .symmetric, strategy: waiting,
            checkInterval: board.canWait ? endpoint.checkInterval.wholeNanoseconds : max(1, polling.wholeNanoseconds),
            cancelFlag: cancelFlag,
            sleeps: own.sleeps, ring: board.ring, isPolling: !board.canWait)
        watch = Watch(sleeper)
        facts = chosen
        unsafe place = .allocate(capacity: max(1, isWhole ? board.shape.entryCount : chosen.count))
        for (index, one) in chosen.enumerated() {
            unsafe (place + index).initialize(to: EntryReader(one, board.blocks, values: board.values))
        }
    }

    // The state is made of numbers and pointers only.
    deinit { unsafe place.deallocate() }

    // SAFETY, for all of these: `place` has as many initialised states as there are facts, and an index is one of them: 0, or one that `index(of:)`
    // or a loop over `facts` gave. One user at a time has this core, its owner or the waiter thread.

    /// The state of entry 0. It has an address even where there is no entry.
    var firstEntry: UnsafeMutablePointer<EntryReader> { unsafe place }

    /// An address for no bytes.
    private var noBytes: UnsafeMutableRawPointer { unsafe UnsafeMutableRawPointer(place) }

    /// How many entries it has.
    var count: Int { facts.count }
    /// The newest version of an entry.
    func version(_ index: Int) -> UInt64 { unsafe place[index].version }

    /// How often a read, or a snapshot, begins anew before it gives up. Fewer in tests.
    var mostTries = EntryReader.mostTries

    /// Whether `requireUsable` throws nothing.
    @inlinable
    @inline(__always)
    var isUsable: Bool { usableGeneration == UInt64(sr_fork_generation()) }

    @inline(__always)
    func requireUsable() throws(RingError) {
        guard !isUsable else { return }
        guard generation == sr_fork_generation() else {
            throw RingError(.forked, ring: board.ring, "this reader belongs to the parent of this forked process")
        }
        if let refusal { throw refusal }
    }

    // MARK: Reading

    /// Copies an entry's value, if there is room for it. Nil: there is no value yet.
    ///
    /// - Returns: which value it is. If it is larger than `room`, nothing was copied.
    func read(_ index: Int, into target: UnsafeMutableRawPointer, room: Int) throws(RingError) -> BoardStamp? {
        try requireUsable()
        let reader = unsafe place + index
        for _ in 0..<mostTries {
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
            guard unsafe reader.pointee.isWhole(found) else {
                retries &+= 1
                continue
            }
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
            "entry '\(facts[index].name)' was written anew while it was read, \(mostTries) times in a row; its last version is \(unsafe place[index].version)"
        )
    }

    /// The same of the first entry, where a larger value than there is room for is an error: the slow path of a read. Throws `sizeMismatch`.
    @usableFromInline
    @inline(never)
    func read(into target: UnsafeMutableRawPointer, atMost room: Int) throws(RingError) -> BoardStamp? {
        // After the fast path.
        retries &+= 1
        do throws(RingError) {
            guard let stamp = try unsafe read(0, into: target, room: room) else { return nil }
            guard stamp.byteCount <= room else { throw mismatch(0, stamp, "the buffer has \(room)") }
            return stamp
        } catch {
            throw error.aboutBoard
        }
    }

    /// The same of a value that has exactly that size. False: there is no value yet. Throws `sizeMismatch`.
    @usableFromInline
    func read(_ index: Int, into target: UnsafeMutableRawPointer, exactly size: Int) throws(RingError) -> Bool {
        do throws(RingError) {
            guard let stamp = try unsafe read(index, into: target, room: size) else { return false }
            guard stamp.byteCount == size else { throw mismatch(index, stamp, "a type of \(counted(size, "byte")) was asked for") }
            return true
        } catch {
            throw error.aboutBoard
        }
    }

    func mismatch(_ index: Int, _ stamp: BoardStamp, _ other: String) -> RingError {
        RingError(
            .sizeMismatch, ring: board.ring, "entry '\(facts[index].name)' has a value of \(counted(stamp.byteCount, "byte")), and \(other)"
        )
    }

    /// A copy of an entry's value. Nil: there is none yet.
    func value(_ index: Int) throws(RingError) -> BoardValue? {
        try requireUsable()
        let capacity = facts[index].capacity
        // A larger value may come between the look and the read. The second try has room for every one.
        for room in [min(unsafe place[index].look()?.byteCount ?? 0, capacity), capacity] {
            var result: Result<BoardStamp?, RingError> = .success(nil)
            // SAFETY: the array's own bytes, for the length of the call; an empty one may have no address, and then nothing is copied. As many are
            // initialised as were copied.
            let bytes = unsafe [UInt8](unsafeUninitializedCapacity: room) { buffer, count in
                let target = unsafe buffer.baseAddress.map { UnsafeMutableRawPointer($0) } ?? noBytes
                do throws(RingError) {
                    let stamp = try unsafe read(index, into: target, room: room)
                    result = .success(stamp)
                    if let stamp, stamp.byteCount <= room { count = stamp.byteCount }
                } catch {
                    result = .failure(error)
                }
            }
            guard let stamp = try result.get() else { return nil }
            if stamp.byteCount <= room { return BoardValue(stamp, bytes) }
        }
        // `read` refuses a value that is larger than the entry.
        throw RingError(.poisoned, ring: board.ring, "entry '\(facts[index].name)' has a value larger than its capacity of \(capacity)")
    }

    /// Copies of the values of several entries, as all of them stood at one moment.
    ///
    /// No entry lies over another, so the sum of their values is at most a fourth of the data area, whatever an untrusted peer has stored; unless the
    /// caller named an entry twice.
    func snapshot() throws(RingError) -> [BoardValue?] {
        try requireUsable()
        try findNewEntries()
        var bytes: [UInt8] = []
        for _ in 0..<mostTries {
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
            "one of \(counted(count, "entry", "entries")) was written anew while they were read, \(mostTries) times in a row")
    }

    /// Takes in the entries that were added since. For the owner only: `facts` is the owner's also while a waiter thread has this core.
    func findNewEntries() throws(RingError) {
        guard isWhole else { return }
        while let next = try board.blocks.entry(count, behind: facts.last?.end(in: board.shape) ?? 0) {
            unsafe (place + count).initialize(to: EntryReader(next, board.blocks, values: board.values))
            facts.append(next)
        }
    }

    // MARK: Waiting

    /// Whether an entry that was added since has a value. Two loads for each; nothing is taken in.
    private var isAnyNewEntrySet: Bool {
        guard isWhole else { return false }
        // `facts` does not change while a waiter thread asks.
        return (count..<board.shape.entryCount).contains { board.blocks.version($0) != 0 }
    }

    /// Sets which version of an entry the user knows. The next wait is for a newer one, also if no version has come so far yet.
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
            guard let change = unsafe place[index].takeChange() else { continue }
            if change.isBack {
                throw unsafe EntryReader.Fault.wentBack(to: change.version, place[index], facts[index], ring: board.ring)
            }
            changes.append((index, change.version))
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
        } checkPeers: { () throws(RingError) in
            try changesOrRemoval(isRemoved: board.isRemoved, news)
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

    /// What a wait looks for at its check interval. Throws `notFound` if the board was removed and there is nothing new.
    ///
    /// The look for the removal comes first. A process that removes a board has every byte before it takes the name away, so no writer sets a value
    /// behind that: news that is not found after it does not come.
    func changesOrRemoval<News>(
        isRemoved: @autoclosure () -> Bool, _ news: () throws(RingError) -> News?
    ) throws(RingError) -> News? {
        let isRemoved = isRemoved()
        if let found = try news() { return found }
        guard isRemoved else { return nil }
        throw RingError(.notFound, ring: board.ring, "it was removed, so no more changes are to be expected")
    }
}

extension BoardReaderCore: Awaited {
    func prepareToWait() throws(RingError) { try requireUsable() }

    func isReady() -> Bool {
        if failure != nil { return true }
        return facts.indices.contains { unsafe place[$0].hasChanged } || isAnyNewEntrySet
    }

    func isReadyOnCheckingPeers() -> Bool {
        do throws(RingError) {
            return try changesOrRemoval(isRemoved: board.isRemoved) { () throws(RingError) in isReady() ? true : nil } ?? false
        } catch {
            failure = error
            return true
        }
    }

    func handOver(saying error: RingError) {
        refusal = error
        usableGeneration = Self.noGeneration
    }

    func takeBack() {
        usableGeneration = UInt64(generation)
        refusal = nil
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
