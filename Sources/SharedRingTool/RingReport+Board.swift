import SharedRing

/// A report of a board for people.
extension RingReport {
    /// A fact a line, then an entry a line.
    var boardText: String {
        var facts: [(String, String)] = [("kind", kindText), ("capacity", capacityText), ("file", counted(totalSize, "byte"))]
        if !label.isEmpty { facts.append(("label", label.printable)) }
        facts += [
            ("layout", layoutVersion), ("instance", instance), ("created", Timestamp(createdNanoseconds).text),
            ("barrier", usesAsymmetricBarrier ? "asymmetric" : "symmetric"),
        ]
        facts += entries.map { ("entry", $0.text) }
        return aligned(facts, under: "board '\(fileName)' in \(directory.printable)")
    }

    /// The fields of a line of the list.
    var boardColumns: [String] {
        let writers = entries.count { $0.writer.presence == .attached }
        return [
            fileName.description, kind.rawValue, counted(entries.count, "entry", "entries"), SizeNotation.text(capacity),
            writers == 0 ? "-" : counted(writers, "writer"), counted(entries.count { $0.version > 0 }, "value"),
        ]
    }
}

extension RingReport.Entry {
    /// "'rate': version 3, 8 of 64 bytes; attached: process 4711 (feed) since …".
    var text: String {
        var text = "'\(FileName(key).description)': "
        if version == 0 {
            text += "no value yet, of at most \(counted(capacity, "byte"))"
        } else {
            text += "version \(version), \(byteCount.map { "\($0)" } ?? "?") of \(counted(capacity, "byte"))"
        }
        if let tag, tag != 0 { text += ", tag \(tag)" }
        if let writtenNanoseconds { text += ", written \(Timestamp(writtenNanoseconds).text)" }
        return text + "; writer \(writer.text)"
    }
}
