import SharedRing

/// Metrics in Prometheus' text exposition format: a family's samples stand together, whatever ring or service they are of.
struct Exposition {
    private(set) var text = ""

    /// A metric of some subjects: its help, its type, and a line for each sample. Nothing if there is no sample.
    ///
    /// - Parameters:
    ///   - subject: the label that names the subject: `ring` or `service`.
    ///   - samples: the samples of one subject. Their labels follow the subject's; the suffix follows the metric's name, as of a histogram's parts.
    mutating func family<Subject>(
        _ name: String, _ type: String, _ help: String, of subjects: [Subject], _ subject: (Subject) -> (label: String, name: FileName),
        _ samples: (Subject) -> [(suffix: String, labels: String, value: String)]
    ) {
        let lines = subjects.flatMap { one in
            let (label, fileName) = subject(one)
            return samples(one).map { "sharedring_\(name)\($0.suffix){\(label)=\"\(fileName.labelValue)\"\($0.labels)} \($0.value)\n" }
        }
        if lines.isEmpty { return }
        text += "# HELP sharedring_\(name) \(help)\n# TYPE sharedring_\(name) \(type)\n\(lines.joined())"
    }
}

extension FileName {
    /// What stands for the name between the quotes of a label. Different names give different values: Prometheus refuses an answer in which
    /// two samples have the same labels.
    ///
    /// A name stands for itself. One that is no UTF-8, or has a control character other than a newline, stands there as people are shown it.
    /// So does one that could be taken for what such a name is shown as.
    fileprivate var labelValue: String {
        guard let text, !isLikeAnEscape else { return description.escapedForLabel }
        let line = String(String.UnicodeScalarView(text.unicodeScalars.filter { $0 != "\n" }))
        return (line.printable == line ? text : description).escapedForLabel
    }

    /// Whether a backslash stands before something that `description` puts behind one.
    private var isLikeAnEscape: Bool {
        zip(bytes, bytes.dropFirst()).contains { $0 == UInt8(ascii: "\\") && #"\ntrux"#.utf8.contains($1) }
    }
}

extension String {
    /// Backslash, quote and newline escaped, as the exposition format has it.
    fileprivate var escapedForLabel: String {
        var text = ""
        for scalar in unicodeScalars {
            switch scalar {
            case "\\": text += "\\\\"
            case "\"": text += "\\\""
            case "\n": text += "\\n"
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text
    }
}
