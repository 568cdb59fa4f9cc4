/// One figure of many things, each a dot on a line of its own, with the range of its repeats.
struct DotPlot {
    struct Row {
        var name: String
        var style: SeriesStyle
        var value: Double
        var range: ClosedRange<Double>
        var text: String
        /// Whether it begins another group.
        var isApart = false
    }

    var summary: String
    /// Logarithmic.
    var x: Axis
    var rows: [Row]

    private static let width = 980.0
    private static let left = 260.0
    private static let right = 860.0
    private static let rowHeight = 25.0

    private func across(_ value: Double) -> Double { Self.left + x.fraction(logarithm(value)) * (Self.right - Self.left) }

    var svg: String {
        var places: [Double] = []
        for row in rows {
            places.append(places.isEmpty ? 22 : places[places.count - 1] + Self.rowHeight * (row.isApart ? 1.6 : 1))
        }
        let bottom = (places.last ?? 0) + 15
        var lines = ["<svg viewBox=\"0 0 \(at(Self.width)) \(at(bottom + 54))\" role=\"img\" aria-label=\"\(escaped(summary))\">"]
        lines += x.ticks.map { tick in
            let place = Self.left + x.fraction(tick.place) * (Self.right - Self.left)
            return "<line class=\"grid\" x1=\"\(at(place))\" x2=\"\(at(place))\" y1=\"4\" y2=\"\(at(bottom))\"/>"
                + "<text class=\"tick\" text-anchor=\"middle\" x=\"\(at(place))\" y=\"\(at(bottom + 20))\">\(escaped(tick.text))</text>"
        }
        lines.append(
            "<text class=\"axis\" text-anchor=\"middle\" x=\"\(at((Self.left + Self.right) / 2))\" y=\"\(at(bottom + 44))\">\(escaped(x.title))</text>"
        )
        lines += zip(rows, places).map { self.row($0, $1) }
        return (lines + ["</svg>"]).joined(separator: "\n")
    }

    private func row(_ row: Row, _ place: Double) -> String {
        let dot = across(row.value)
        let (from, to) = (across(row.range.lowerBound), across(row.range.upperBound))
        return "<line class=\"row\" x1=\"\(at(Self.left))\" x2=\"\(at(Self.right))\" y1=\"\(at(place))\" y2=\"\(at(place))\"/>"
            + "<text class=\"label \(row.style.colour)\" text-anchor=\"end\" x=\"\(at(Self.left - 14))\" y=\"\(at(place + 4.5))\">\(escaped(row.name))</text>"
            + "<line class=\"range \(row.style.colour)\" x1=\"\(at(from))\" x2=\"\(at(to))\" y1=\"\(at(place))\" y2=\"\(at(place))\"/>"
            + "<circle class=\"mark \(row.style.colour)\" cx=\"\(at(dot))\" cy=\"\(at(place))\" r=\"5\"/>"
            + "<text class=\"value\" x=\"\(at(max(dot, to) + 12))\" y=\"\(at(place + 4.5))\">\(escaped(row.text))</text>"
    }
}
