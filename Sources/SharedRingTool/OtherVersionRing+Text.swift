import SharedRing

extension OtherVersionRing {
    /// A fact a line.
    var text: String {
        var facts = [("kind", kind), ("layout", version), ("file", counted(Int(clamping: byteCount), "byte"))]
        if let label, !label.isEmpty { facts.append(("label", label.printable)) }
        if let createdNanoseconds { facts.append(("created", Timestamp(createdNanoseconds).text)) }
        if isOfThisMajorVersion { facts.append(("unknown", error.detail)) }
        facts += [("in use", use), ("remedy", remedy)]
        let what = isOfThisMajorVersion ? "which this program can't use" : "of another layout version"
        return aligned(facts, under: "ring '\(fileName)', \(what)")
    }

    /// The fields of a line of the list, under the headings of this version's rings.
    var columns: [String] {
        [
            fileName.description, kind, "", SizeNotation.text(Int(clamping: byteCount)), attached,
            isOfThisMajorVersion ? error.detail : "layout \(version)",
        ]
    }

    var json: JSON {
        .object([
            "name": .string(fileName.label), "name_bytes": .hexadecimal(fileName.bytes), "layout_version": .string(version),
            "kind": .string(kind), "bytes": .position(byteCount),
            "label": label.map(JSON.string) ?? .null,
            "created_at": createdNanoseconds.map { .string(Timestamp($0).iso) } ?? .null,
            "detail": .string(error.detail), "is_in_use": isInUse.map(JSON.boolean) ?? .null,
        ])
    }

    private var use: String {
        switch isInUse {
        case true?: "yes"
        case false?: "no"
        case nil: "unknown"
        }
    }

    private var attached: String {
        switch isInUse {
        case true?: "in use"
        case false?: "-"
        case nil: ""
        }
    }

    private var remedy: String { error.remedy ?? "when no process uses it any more, 'sharedring remove' takes it away" }
}
