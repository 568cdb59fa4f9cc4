/// A type of which any bytes, as many as its size, are a value: what ``Message/value(as:)-(Value.Type)`` reads.
///
/// A peer decides which bytes a message has, so only such a type can be made of them without a check. Integers, floating-point
/// numbers, and inline arrays of these are; SIMD vectors of them are taken as well. Declare it of a type of your own if every stored property's type is one:
///
/// ```swift
/// struct Quote: AnyBytes {
///     var price: Double
///     var size: UInt64
/// }
/// ```
///
/// Do not declare it of a type with a `Bool`, an enum, an optional or a pointer in it: of these some bytes are no value, and what a
/// program does with such bytes is undefined. The compiler checks that the type is `BitwiseCopyable`; the rest is your word. What the
/// numbers *mean* is not checked: an index is to be compared with its bounds before it is used.
public protocol AnyBytes: BitwiseCopyable {}

extension Int: AnyBytes {}
extension Int8: AnyBytes {}
extension Int16: AnyBytes {}
extension Int32: AnyBytes {}
extension Int64: AnyBytes {}
extension Int128: AnyBytes {}
extension UInt: AnyBytes {}
extension UInt8: AnyBytes {}
extension UInt16: AnyBytes {}
extension UInt32: AnyBytes {}
extension UInt64: AnyBytes {}
extension UInt128: AnyBytes {}
extension Float16: AnyBytes {}
extension Float: AnyBytes {}
extension Double: AnyBytes {}
extension InlineArray: AnyBytes where Element: AnyBytes {}
