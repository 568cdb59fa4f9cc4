/// Values of several entries of a ``Board``, in the order of a ``BoardView``'s entries: what ``BoardView/snapshot()`` and ``BoardView`` `next` give.
///
/// An entry is found by the bytes of its key. Two keys whose texts look the same, such as a composed and a decomposed "é", are two.
public struct BoardValues: Sendable, RandomAccessCollection {
    /// An entry's key, repaired if it is not UTF-8, and its value.
    public typealias Element = (key: String, value: BoardValue)

    private let keys: [[UInt8]]
    private let values: [BoardValue]
    private let places: [[UInt8]: Int]

    init(_ found: [(key: [UInt8], value: BoardValue)]) {
        keys = found.map(\.key)
        values = found.map(\.value)
        // An untrusted peer may have made two entries of one key: the first counts.
        places = Dictionary(zip(keys, keys.indices)) { first, _ in first }
    }

    /// 0.
    public var startIndex: Int { 0 }
    /// How many values there are.
    public var endIndex: Int { values.count }

    /// An entry and its value. The position must be one of the collection's.
    public subscript(position: Int) -> Element { (String(decoding: keys[position], as: UTF8.self), values[position]) }

    /// The value of an entry; nil: there is none. O(bytes of the key).
    ///
    /// - Parameter key: an entry's key. Its UTF-8 is compared, byte for byte.
    public subscript(key: String) -> BoardValue? { places[Array(key.utf8)].map { values[$0] } }
}
