import Glibc

enum SystemFile {
    /// All of a file as text; nil if it can't be read. Files of /proc and /sys have no size to ask for.
    static func read(_ path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = Glibc.read(descriptor, &block, block.count)
            if count < 0 { return nil }
            if count == 0 { return String(decoding: bytes, as: UTF8.self) }
            bytes += block[..<count]
        }
    }

    static func write(_ text: String, to path: String) throws {
        let descriptor = try libc(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644), "\(path) can't be written")
        defer { close(descriptor) }
        let bytes = Array(text.utf8)
        var done = 0
        while done < bytes.count {
            done += try bytes.withUnsafeBytes {
                try libc(Glibc.write(descriptor, $0.baseAddress! + done, bytes.count - done), "\(path) can't be written")
            }
        }
    }
}
