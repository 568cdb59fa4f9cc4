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
    private(set) var entries: [EntryReader] = []
    /// Thrown at a caller while a waiter thread has this reader.
    private var refusal: RingError?
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
        entries = chosen.map { EntryReader($0, of: board) }
    }

    func requireUsable() throws(RingError) {
        guard !board.isInherited else {
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
        for _ in 0..<EntryReader.mostTries {
            guard let found = entries[index].look() else {
                try entries[index].acceptNone(ring: board.ring)
                return nil
            }
            if entries[index].fits(found), found.byteCount <= room {
                // SAFETY: the count is that of the copy that was checked; the slot has room for the entry's capacity, and the target for this.
                unsafe sr_copy(target, found.value, Int64(found.byteCount))
            }
            guard entries[index].isWhole(found) else { continue }
            try entries[index].accept(found, ring: board.ring)
            return found.stamp
        }
        throw entries[index].tooFast(ring: board.ring)
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
            .sizeMismatch, ring: board.ring, "entry '\(entries[index].facts.name)' has a value of \(stamp.byteCount) bytes, and \(other)")
    }

    /// A copy of an entry's value. Nil: there is none yet.
    func value(_ index: Int) throws(RingError) -> BoardValue? {
        try requireUsable()
        var room = min(entries[index].look()?.byteCount ?? 0, entries[index].facts.capacity)
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
            room = entries[index].facts.capacity
        }
    }

    /// Copies of the values of several entries, as all of them stood at one moment.
    func snapshot() throws(RingError) -> [BoardValue?] {
        try requireUsable()
        try findNewEntries()
        var bytes: [UInt8] = []
        for _ in 0..<EntryReader.mostTries {
            let found = entries.map { $0.look() }
            let sizes = zip(entries, found).map { entry, found in found.map { entry.fits($0) ? $0.byteCount : 0 } ?? 0 }
            let size = sizes.reduce(0, +)
            if bytes.count < size { bytes = [UInt8](repeating: 0, count: size) }
            var place = 0
            for (found, size) in zip(found, sizes) {
                guard let found, size > 0 else { continue }
                // SAFETY: as in `read`; the sizes are those of the copies that were checked, and their sum is the array's.
                unsafe bytes.withUnsafeMutableBytes { unsafe sr_copy($0.baseAddress! + place, found.value, Int64(size)) }
                place += size
            }
            // SYNC: board-slot (pairs with EntryWriter.begin): all copies before, all turns after.
            sr_fence_acquire()
            // Each turn as it was. That each value is whole would not be enough: the first might have changed before the last was read.
            guard zip(entries, found).allSatisfy({ $0.version == $1?.turn ?? 0 }) else { continue }
            var values: [BoardValue?] = []
            place = 0
            for index in entries.indices {
                guard let one = found[index] else {
                    try entries[index].acceptNone(ring: board.ring)
                    values.append(nil)
                    continue
                }
                try entries[index].accept(one, ring: board.ring)
                values.append(BoardValue(one.stamp, Array(bytes[place..<(place + one.byteCount)])))
                place += one.byteCount
            }
            return values
        }
        throw RingError(
            .writerTooFast, ring: board.ring,
            "one of \(entries.count) entries was written anew while they were read, \(EntryReader.mostTries) times in a row")
    }

    /// Entries that were added since.
    func findNewEntries() throws(RingError) {
        guard isWhole else { return }
        while entries.count < board.shape.entryCount, let next = try board.blocks.entry(entries.count) {
            entries.append(EntryReader(next, of: board))
        }
    }

    // MARK: Waiting

    /// Sets which version of an entry the user knows.
    func setKnown(_ version: UInt64, _ index: Int) { entries[index].known = version }

    /// Which entries have a newer value than the user knows; the user knows them from now on.
    func takeChanges() throws(RingError) -> [(index: Int, version: UInt64)] {
        try requireUsable()
        if let failure {
            self.failure = nil
            throw failure
        }
        try findNewEntries()
        var changes: [(index: Int, version: UInt64)] = []
        for index in entries.indices {
            let version = entries[index].version
            guard version != entries[index].known else { continue }
            entries[index].known = version
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
        if isWhole, entries.count < board.shape.entryCount {
            do throws(RingError) { try findNewEntries() } catch {
                failure = error
                return true
            }
        }
        return entries.contains { $0.hasChanged }
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
