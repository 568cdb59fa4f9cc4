import CTestSupport

/// What the traced process says of its own progress, in memory that its tracer reads at every point.
struct Note {
    /// How far a producer's holder has come.
    enum Life: UInt32 {
        case never, arriving, attached, leaving, closed
    }

    static let size = UInt64(4096)
    private let words: UnsafeMutablePointer<UInt32>
    var address: UnsafeMutablePointer<UInt32> { words }

    init?(_ path: String, create: Bool) {
        guard let address = ts_map_file(path, Self.size, create ? 1 : 0) else { return nil }
        words = address.assumingMemoryBound(to: UInt32.self)
    }

    private func word(_ index: Int) -> UInt32 { words[index] }
    private func set(_ index: Int, _ value: UInt32) { ts_note(words + index, value) }

    /// Messages whose sending has returned, and whose sending has begun.
    func low(_ lane: Int) -> UInt32 { word(lane) }
    func high(_ lane: Int) -> UInt32 { word(2 + lane) }
    /// The bytes of those messages.
    func lowBytes(_ lane: Int) -> UInt32 { word(13 + lane) }
    func highBytes(_ lane: Int) -> UInt32 { word(15 + lane) }
    func begin(_ lane: Int, through number: UInt32, byteCount: Int) {
        set(15 + lane, lowBytes(lane) + UInt32(byteCount))
        set(2 + lane, number)
    }
    func finish(_ lane: Int) {
        set(lane, high(lane))
        set(13 + lane, highBytes(lane))
    }

    /// Messages that are acknowledged for certain, and that may be.
    func acknowledged(_ lane: Int) -> UInt32 { word(4 + lane) }
    func used(_ lane: Int) -> UInt32 { word(6 + lane) }
    func setUsed(_ lane: Int, _ count: UInt32) { set(6 + lane, count) }
    func setAcknowledged() { for lane in 0..<2 { set(4 + lane, used(lane)) } }

    var life: Life {
        get { Life(rawValue: word(8)) ?? .never }
        nonmutating set { set(8, newValue.rawValue) }
    }
    var consumerLife: Life {
        get { Life(rawValue: word(9)) ?? .never }
        nonmutating set { set(9, newValue.rawValue) }
    }
    /// Of an end: 0 not reported, 1 reported, 2 and come back for more.
    var reported: UInt32 {
        get { word(10) }
        nonmutating set { set(10, newValue) }
    }
    /// Not 0: the traced process met something that must not be.
    var failed: UInt32 {
        get { word(11) }
        nonmutating set { set(11, newValue) }
    }
    /// How far an operation on a name has come: 0 not begun, 1 under way, 2 returned.
    var phase: UInt32 {
        get { word(12) }
        nonmutating set { set(12, newValue) }
    }
}
