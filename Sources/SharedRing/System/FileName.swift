/// A file's name or path as the kernel has it: bytes, which need not be UTF-8.
///
/// Two names are equal if their bytes are. (Two `String`s are equal, too, if they are the same text in two normalisations, and so name
/// two files.) A name that came from a directory, or from the command line, leads to the same file again, byte for byte.
public struct FileName: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// The name as the kernel has it, without a NUL at its end.
    public let bytes: [UInt8]

    /// A name of these bytes. What no file can be called is refused when the name is used, with `invalidName`.
    public init(bytes: some Sequence<UInt8>) { self.bytes = Array(bytes) }

    /// The text's UTF-8, as it is: nothing is normalised.
    public init(_ text: some StringProtocol) { bytes = Array(text.utf8) }

    /// The name as text; nil if it is not UTF-8. The text leads back to the same bytes.
    public var text: String? { String(validating: bytes, as: UTF8.self) }

    /// The name for people, on one line: control characters, marks of direction, backslashes and bytes that are not UTF-8 stand there
    /// as `\n`, `\t`, `\\`, `\u{1B}` and `\xE9`. Two names look the same only if they are the same, as far as letters do.
    public var description: String { String(escaping: bytes) }

    /// In the order of the bytes.
    public static func < (a: FileName, b: FileName) -> Bool { a.bytes.lexicographicallyPrecedes(b.bytes) }

    /// What a program that knows only text gets to see: repaired where it is not UTF-8.
    package var repairedText: String { String(decoding: bytes, as: UTF8.self) }

    /// Calls the body with the bytes and a NUL behind them, valid for the length of the call. The name has no NUL.
    @unsafe
    func withCString<Result>(_ body: (UnsafePointer<CChar>) -> Result) -> Result {
        let terminated = unsafe [CChar](unsafeUninitializedCapacity: bytes.count + 1) { buffer, count in
            for (index, byte) in bytes.enumerated() { unsafe buffer[index] = CChar(bitPattern: byte) }
            unsafe buffer[bytes.count] = 0
            count = bytes.count + 1
        }
        // SAFETY: the array is not empty, so its buffer has an address.
        return unsafe terminated.withUnsafeBufferPointer { unsafe body($0.baseAddress!) }
    }
}
