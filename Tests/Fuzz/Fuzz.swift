import Glibc
import SharedRing

/// A case of `RingFuzzer attach` whose decisions are the fuzzer's bytes. Built and run by `Tests/Fuzz/run`.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    let bytes = UnsafeRawBufferPointer(start: start, count: count)
    var one = AttachCase(victims, Choices(bytes: bytes), tally: Tally(counts, slot: 0))
    one.run()
    return 0
}

nonisolated(unsafe) private let victims: [Victim] = {
    do throws(RingError) {
        return try AttachCase.victims()
    } catch {
        fatalError("\(error)")
    }
}()

nonisolated(unsafe) private let counts: UnsafeMutableRawPointer = {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: Tally.size, alignment: 8)
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: Tally.size)
    return memory
}()
