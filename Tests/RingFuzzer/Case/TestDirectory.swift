import Glibc

/// The directory of a process's named rings.
enum TestDirectory {
    static func directory(of process: pid_t) -> String { "/dev/shm/untrusted.\(process)" }

    static func make() {
        let path = directory(of: getpid())
        // One that is there is a dead process's that had the same number.
        remove(of: getpid())
        guard mkdir(path, 0o700) == 0 else { fatalError("\(path) can't be made: errno \(errno)") }
        atexit { TestDirectory.remove(of: getpid()) }
    }

    /// After a crash, for the process that waited for it.
    static func remove(of process: pid_t) {
        let path = directory(of: process)
        guard let stream = opendir(path) else { return }
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self))
            }
            unlink(path + "/" + name)
        }
        closedir(stream)
        rmdir(path)
    }
}
