import CSharedRing
import Synchronization

/// Something that every process has one of, a forked child its own: the parent's has threads that the child lacks, and locks
/// that a thread may have held when it was forked.
///
/// Not a `static let` of the thing itself, and without a lock of its own. What was made is never freed.
@safe
struct PerProcess<Shared: AnyObject>: ~Copyable, Sendable {
    private let address = Atomic<UInt>(0)
    private let make: @Sendable () -> Shared
    private let generation: @Sendable (Shared) -> UInt32

    init(generation: @escaping @Sendable (Shared) -> UInt32, make: @escaping @Sendable () -> Shared) {
        self.make = make
        self.generation = generation
    }

    var current: Shared {
        while true {
            let bits = address.load(ordering: .acquiring)
            if let place = unsafe UnsafeRawPointer(bitPattern: bits) {
                // SAFETY: only retained objects of this class are stored there, and none is ever released.
                let shared = unsafe Unmanaged<Shared>.fromOpaque(place).takeUnretainedValue()
                if generation(shared) == sr_fork_generation() { return shared }
            }
            let fresh = unsafe Unmanaged.passRetained(make())
            let new = unsafe UInt(bitPattern: fresh.toOpaque())
            if address.compareExchange(expected: bits, desired: new, ordering: .acquiringAndReleasing).exchanged { continue }
            unsafe fresh.release()
        }
    }
}
