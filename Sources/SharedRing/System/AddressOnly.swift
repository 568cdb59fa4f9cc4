/// A field of no size that keeps its struct in memory: never in registers, never loaded as a whole.
///
/// Without it Swift 6.3 puts a message that `while let` binds in a box on the heap as soon as its bytes are read: one allocation
/// a message, in the most natural loop. (The span depends on the variable, and for a variable that could be loaded the compiler
/// then does not see that its box may be on the stack.)
@_rawLayout(size: 0, alignment: 1)
@frozen
@usableFromInline
struct AddressOnly: ~Copyable {
    @inlinable
    init() {}
}
