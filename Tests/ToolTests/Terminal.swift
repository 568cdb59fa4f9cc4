import Foundation
import Glibc

/// A terminal whose other end the test has.
final class Terminal {
    let path: String
    private let descriptor: Int32
    /// Kept open, so that there is a terminal before and after the process has it.
    private let other: Int32

    init(rows: UInt16 = 24, columns: UInt16 = 80) throws {
        // Glibc's module has no `posix_openpt`.
        descriptor = open("/dev/ptmx", O_RDWR | O_NOCTTY)
        var unlocked: Int32 = 0
        var number: Int32 = 0
        var size = winsize(ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
        guard descriptor >= 0, ioctl(descriptor, 0x4004_5431, &unlocked) == 0,  // TIOCSPTLCK
            ioctl(descriptor, 0x8004_5430, &number) == 0,  // TIOCGPTN
            ioctl(descriptor, UInt(TIOCSWINSZ), &size) == 0
        else { throw POSIXError(.ENODEV) }
        path = "/dev/pts/\(number)"
        other = open(path, O_RDWR | O_NOCTTY)
    }

    deinit {
        close(other)
        close(descriptor)
    }

    func type(_ text: String) {
        let bytes = Array(text.utf8)
        _ = write(descriptor, bytes, bytes.count)
    }

    /// What was written since the last call, once `isEnough`, or whatever came within the bound.
    func read(until isEnough: (String) -> Bool) -> String {
        var drawn: [UInt8] = []
        _ = eventually {
            var ready = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            if poll(&ready, 1, 10) > 0 {
                var buffer = [UInt8](repeating: 0, count: 4096)
                let count = Glibc.read(descriptor, &buffer, buffer.count)
                drawn += buffer.prefix(max(0, count))
            }
            return isEnough(String(decoding: drawn, as: UTF8.self))
        }
        return String(decoding: drawn, as: UTF8.self)
    }
}
