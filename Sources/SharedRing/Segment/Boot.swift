import CSharedRing

/// One boot of the machine, as the kernel names it.
struct Boot: BitwiseCopyable, Equatable {
    var words: (UInt64, UInt64)

    static func == (a: Boot, b: Boot) -> Bool { a.words == b.words }

    static func current(ring: String) throws(RingError) -> Boot {
        var boot = Boot(words: (0, 0))
        // SAFETY: 16 writable bytes for the length of the call.
        let result = unsafe withUnsafeMutableBytes(of: &boot.words) { bytes in unsafe sr_boot_id(bytes.baseAddress!) }
        guard result == 0 else {
            throw RingError(.system, ring: ring, errno: -result, "this boot of the machine can't be distinguished from others")
        }
        return boot
    }
}
