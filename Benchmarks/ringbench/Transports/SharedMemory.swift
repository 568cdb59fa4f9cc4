import CBench
import Glibc

extension Case {
    /// A new area of memory that processes can share.
    func makeMemory(_ size: Int) throws -> Int32 {
        try succeeded(cb_memory(UInt64(size), hugePages ? 1 : 0), hugePages ? "no memory in huge pages" : "no memory to share")
    }
}

/// An area of memory in this process, with every page touched.
struct SharedMemory: ~Copyable {
    let start: UnsafeMutableRawPointer
    private let size: Int

    init(_ descriptor: Int32) throws {
        var facts = stat()
        try libc(fstat(descriptor, &facts), "shared memory has no size")
        let size = Int(facts.st_size)
        let address = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED | Int32(MAP_POPULATE), descriptor, 0)
        guard let address, address != MAP_FAILED else {
            // Huge pages can't be had piecemeal: what there are is what an administrator has set aside.
            let isHuge = facts.st_blksize > 1 << 16
            throw Failure(
                isHuge && errno == ENOMEM
                    ? "\(size >> 20) MiB in huge pages are not to be had: see /proc/sys/vm/nr_hugepages"
                    : "shared memory can't be mapped: errno \(errno)")
        }
        start = address
        self.size = size
    }

    deinit { munmap(start, size) }
}
