import Glibc

/// What a figure depends on and does not show.
enum Machine {
    static var processor: String {
        for line in lines(of: "/proc/cpuinfo") where line.hasPrefix("model name") || line.hasPrefix("CPU part") {
            if let colon = line.firstIndex(of: ":") { return String(line[line.index(colon, offsetBy: 2)...]) }
        }
        return "unknown processor"
    }

    static var kernel: String { lines(of: "/proc/sys/kernel/osrelease").first ?? "unknown kernel" }

    /// The compiler's own, since a program can't ask for it: the newest that this source knows.
    static var swift: String {
        #if compiler(>=6.4)
            "6.4 or later"
        #elseif compiler(>=6.3.1)
            "6.3.1 or later"
        #elseif compiler(>=6.3)
            "6.3"
        #elseif compiler(>=6.2)
            "6.2"
        #else
            "before 6.2"
        #endif
    }

    private static func lines(of path: String) -> [String] {
        guard let file = fopen(path, "r") else { return [] }
        defer { fclose(file) }
        var lines: [String] = []
        var buffer = [CChar](repeating: 0, count: 4096)
        while lines.count < 100, fgets(&buffer, Int32(buffer.count), file) != nil {
            let bytes = buffer.prefix { $0 != 0 && $0 != 10 }.map { UInt8(bitPattern: $0) }
            lines.append(String(decoding: bytes, as: UTF8.self))
        }
        return lines
    }
}
