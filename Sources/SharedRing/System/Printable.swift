// How texts that others chose are shown to people: nothing in them moves a cursor, breaks a line or turns the direction of what follows.

extension Unicode.Scalar {
    /// Whether it is not seen itself and changes what is seen: a control, a mark of direction, a separator of lines.
    fileprivate var isInvisible: Bool {
        switch properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: true
        default: false
        }
    }

    fileprivate var escape: String {
        switch self {
        case "\n": "\\n"
        case "\t": "\\t"
        case "\r": "\\r"
        default: "\\u{\(String(value, radix: 16, uppercase: true))}"
        }
    }
}

extension String {
    /// The text with its control characters, marks of direction and line separators escaped: `\n`, `\u{1B}`. Escaping twice changes
    /// nothing more, so that a sentence may be made of escaped parts. A backslash stays, so this can't be undone; see `init(escaping:)`.
    package var printable: String {
        // Nearly always there is nothing to do.
        if utf8.allSatisfy({ (0x20..<0x7f).contains($0) }) { return self }
        var text = ""
        for scalar in unicodeScalars {
            if scalar.isInvisible { text += scalar.escape } else { text.unicodeScalars.append(scalar) }
        }
        return text
    }

    /// Bytes as text on one line. Backslashes are escaped, too, and what is not UTF-8 byte by byte (`\xE9`): different bytes give different
    /// texts.
    package init(escaping bytes: some Sequence<UInt8>) {
        self = ""
        var pending = bytes.makeIterator()
        func hexadecimal(_ byte: UInt8) -> String { (byte < 16 ? "\\x0" : "\\x") + String(byte, radix: 16, uppercase: true) }

        var next = pending.next()
        while let first = next {
            var taken = [first]
            let length =
                switch first {
                case 0..<0x80: 1
                case 0xc2..<0xe0: 2
                case 0xe0..<0xf0: 3
                case 0xf0..<0xf5: 4
                default: 0
                }
            next = pending.next()
            while taken.count < length, let byte = next, byte & 0xc0 == 0x80 {
                taken.append(byte)
                next = pending.next()
            }
            guard taken.count == length, let scalar = String(validating: taken, as: UTF8.self)?.unicodeScalars.first else {
                self += taken.map(hexadecimal).joined()
                continue
            }
            if scalar == "\\" {
                self += "\\\\"
            } else if scalar.isInvisible {
                self += scalar.escape
            } else {
                unicodeScalars.append(scalar)
            }
        }
    }
}
