import SharedRing

extension OtherVersionRing {
    /// A fact a line.
    var text: String {
        var facts = [("kind", kind), ("layout", version), ("file", counted(Int(clamping: byteCount), "byte"))]
        if let label, !label.isEmpty { facts.append(("label", label.printable)) }
        if let createdNanoseconds { facts.append(("created", Timestamp(createdNanoseconds).text)) }
        facts += [("in use", use), ("remedy", remedy)]
        return aligned(facts, under: "ring '\(fileName)', of another layout version")
    }

    /// The fields of a line of the list, under the headings of this version's rings.
    var columns: [String] { [fileName.description, kind, "", SizeNotation.text(Int(clamping: byteCount)), attached, "layout \(version)"] }

    var json: JSON {
        .object([
            "name": .string(fileName.label), "name_bytes": .hexadecimal(fileName.bytes), "layout_version": .string(version),
            "kind": .string(kind), "bytes": .position(byteCount),
            "label": label.map(JSON.string) ?? .null,
            "created_at": createdNanoseconds.map { .string(Timestamp($0).iso) } ?? .null,
            "is_in_use": isInUse.map(JSON.boolean) ?? .null,
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
        case false?: "nobody"
        case nil: ""
        }
    }

    private var remedy: String {
        let major = version.prefix { $0 != "." }
        return "use it with programs of layout \(major)" + (isRemovable ? "; 'sharedring remove' takes it away when nobody does" : "")
    }
}
