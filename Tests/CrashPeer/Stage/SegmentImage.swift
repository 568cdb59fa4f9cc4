import Foundation

/// What stood in a segment at one point, as a file that others recover.
struct SegmentImage {
    struct Failure: Error, CustomStringConvertible { let description: String }

    /// Writes a new file with these bytes, on which no process holds a lock: what stood at the path before goes, its locks with it.
    /// All its memory is reserved, as a segment's is.
    ///
    /// A file system that is full for a moment, by other processes, is waited for: that is no violation of a promise.
    /// - Throws: `Failure`, which names the step, its errno, and what the file system has left.
    static func write(_ bytes: UnsafeRawBufferPointer, to path: String) throws {
        for attempt in 1... {
            guard let (step, number) = tryWriting(bytes, to: path) else { return }
            guard [ENOSPC, ENOMEM, EMFILE, ENFILE].contains(number), attempt < 100 else {
                var room = statvfs()
                _ = statvfs(path.contains("/") ? String(path[..<path.lastIndex(of: "/")!]) : ".", &room)
                throw Failure(
                    description: "no image at \(path), \(bytes.count) bytes: \(step): \(String(cString: strerror(number))); "
                        + "\(room.f_bavail) blocks of \(room.f_frsize) bytes and \(room.f_favail) files are free")
            }
            usleep(100_000)
        }
    }

    /// Nil, or the call that failed and its errno.
    private static func tryWriting(_ bytes: UnsafeRawBufferPointer, to path: String) -> (String, Int32)? {
        unlink(path)
        let file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard file >= 0 else { return ("open", errno) }
        defer { close(file) }
        let reserved = posix_fallocate(file, 0, off_t(bytes.count))
        guard reserved == 0 else { return ("posix_fallocate", reserved) }
        let count = pwrite(file, bytes.baseAddress!, bytes.count, 0)
        return count == bytes.count ? nil : ("pwrite, which returned \(count)", count < 0 ? errno : EIO)
    }
}
