import CSharedRing

// Reading beside the protocol: without a role, and without a mapping.

extension Segment {
    /// The process that holds a role, or held it last, read from the file.
    func holder(of role: Role) -> HolderInformation? {
        guard let holder = try? read(sr_holder.self, at: header.controlOffset + header.shape.holderOffset(of: role), ring: ""),
            holder.pid != 0
        else { return nil }
        return HolderInformation(holder)
    }

    /// A copy of a part of the file.
    func read<Part: BitwiseCopyable>(_ type: Part.Type, at offset: Int, ring: String) throws(RingError) -> Part {
        let size = MemoryLayout<Part>.size
        // SAFETY: the buffer is as large as the part, which is made of plain integers, for which all bytes are good.
        let buffer = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: MemoryLayout<Part>.alignment)
        defer { unsafe buffer.deallocate() }
        let count = descriptor.withNumber { unsafe sr_read_at($0, buffer, UInt64(size), UInt64(offset)) }
        guard count >= 0 else { throw RingError(.system, ring: ring, errno: Int32(-count), "it can't be read at \(offset)") }
        guard count == size else { throw RingError(.damaged, ring: ring, "it ends before \(offset + size), where it should go on") }
        return unsafe buffer.load(as: Part.self)
    }

    /// A copy of so many words of the file.
    func readWords(_ count: Int, at offset: Int, ring: String) throws(RingError) -> [UInt64] {
        var result: Int64 = 0
        let size = count * MemoryLayout<UInt64>.size
        // SAFETY: the array is given room for `count` words, and as many as were read are declared initialised.
        let words = unsafe [UInt64](unsafeUninitializedCapacity: count) { buffer, initialised in
            if let start = buffer.baseAddress {
                result = descriptor.withNumber { unsafe sr_read_at($0, start, UInt64(size), UInt64(offset)) }
            }
            initialised = result == size ? count : 0
        }
        guard result >= 0 else { throw RingError(.system, ring: ring, errno: Int32(-result), "it can't be read at \(offset)") }
        guard result == size else { throw RingError(.damaged, ring: ring, "it ends before \(offset + size), where it should go on") }
        return words
    }

    /// The names of the files in a directory, in the order of their bytes.
    static func fileNames(in directory: FileName) throws(RingError) -> [FileName] {
        guard !directory.bytes.contains(0) else {
            throw RingError(.invalidName, directory: directory, "its path must not contain a NUL byte")
        }
        func check<Value: SignedInteger>(_ result: Value) throws(RingError) -> Value {
            if result >= 0 { return result }
            throw RingError(.system, directory: directory, errno: Int32(-result), "it can't be read")
        }
        // Not opendir(3): its descriptor would be a forked child's too, and may be below 3.
        // SAFETY: the string lives for the length of the call.
        let listing = Descriptor(try check(unsafe directory.withCString { unsafe sr_open_listing($0) }))
        var names: [FileName] = []
        var buffer = [UInt8](repeating: 0, count: 32768)
        while true {
            // SAFETY: the array's own bytes, for the length of the call.
            let size = try check(
                unsafe buffer.withUnsafeMutableBytes { bytes in
                    listing.withNumber { unsafe sr_read_listing($0, bytes.baseAddress!, UInt64(bytes.count)) }
                })
            if size == 0 { break }
            var entry = buffer[..<Int(size)]
            while entry.count > 19 {
                let length = Int(entry[entry.startIndex + 16]) | Int(entry[entry.startIndex + 17]) << 8
                guard length > 19 else { break }
                let name = FileName(bytes: entry.prefix(length).dropFirst(19).prefix { $0 != 0 })
                if name != FileName("."), name != FileName("..") { names.append(name) }
                entry = entry.dropFirst(length)
            }
        }
        return names.sorted()
    }
}
