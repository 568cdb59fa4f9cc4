import SharedRing

/// What reports say in any format.
extension RingReport {
    var order: MPSCRing.Order { isTotallyOrdered ? .total : .perProducer }

    /// The bytes that wait in all lanes.
    var backlog: Int { lanes.reduce(0) { $0 + $1.backlog } }

    var attachedProducers: Int { lanes.count { $0.producer.presence == .attached } }
}

/// "1 lane", "2 lanes".
func counted(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }

extension String {
    /// Fit for a terminal: a stranger's control characters stand there as "\u{1B}".
    var printable: String {
        var text = ""
        for scalar in unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator:
                text += "\\u{\(String(scalar.value, radix: 16, uppercase: true))}"
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text
    }

    func padded(to width: Int) -> String { self + String(repeating: " ", count: Swift.max(0, width - count)) }
}
