import SharedRing

extension DamagedRing {
    /// The fields of a line of the list, under the headings of sound rings.
    var columns: [String] { [fileName.description, "damaged", "", SizeNotation.text(Int(clamping: byteCount)), "", error.reason] }

    var json: JSON {
        .object([
            "name": .string(fileName.label), "name_bytes": .hexadecimal(fileName.bytes), "bytes": .position(byteCount),
            "detail": .string(error.detail),
        ])
    }
}

extension FileName {
    /// For programs: the name itself. If it is not UTF-8, as people are shown it, which may be another ring's name: the bytes stand beside it.
    var label: String { text ?? description }
}
