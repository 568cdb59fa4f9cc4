/// What every message of every transport holds: its number, over and over.
///
/// Senders write all of it and receivers read all of it, with this code, so that no transport gets away with moving less
/// than the message.
enum Payload {
    private static let blockSize = MemoryLayout<SIMD8<UInt64>>.size

    @inline(__always)
    static func fill(_ target: UnsafeMutableRawPointer, _ size: Int, _ number: UInt64) {
        if size == 8 { return target.storeBytes(of: number, as: UInt64.self) }
        var offset = 0
        let block = SIMD8<UInt64>(repeating: number)
        while offset &+ blockSize <= size {
            target.storeBytes(of: block, toByteOffset: offset, as: SIMD8<UInt64>.self)
            offset &+= blockSize
        }
        while offset &+ 8 <= size {
            target.storeBytes(of: number, toByteOffset: offset, as: UInt64.self)
            offset &+= 8
        }
        while offset < size {
            target.storeBytes(of: UInt8(truncatingIfNeeded: number), toByteOffset: offset, as: UInt8.self)
            offset &+= 1
        }
    }

    @inline(__always)
    static func check(_ source: UnsafeRawPointer, _ size: Int, _ number: UInt64) throws {
        var difference: UInt64 = 0
        if size == 8 {
            difference = source.loadUnaligned(as: UInt64.self) ^ number
        } else {
            var offset = 0
            var differences = SIMD8<UInt64>(repeating: 0)
            let block = SIMD8<UInt64>(repeating: number)
            while offset &+ blockSize <= size {
                differences |= source.loadUnaligned(fromByteOffset: offset, as: SIMD8<UInt64>.self) ^ block
                offset &+= blockSize
            }
            difference = differences[0] | differences[1] | differences[2] | differences[3]
            difference |= differences[4] | differences[5] | differences[6] | differences[7]
            while offset &+ 8 <= size {
                difference |= source.loadUnaligned(fromByteOffset: offset, as: UInt64.self) ^ number
                offset &+= 8
            }
            while offset < size {
                difference |= UInt64(source.load(fromByteOffset: offset, as: UInt8.self) ^ UInt8(truncatingIfNeeded: number))
                offset &+= 1
            }
        }
        if difference != 0 { throw Failure("message \(number) arrived with other contents") }
    }
}
