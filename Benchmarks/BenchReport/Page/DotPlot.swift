/// One figure of many things, each a dot on a row of its own, with the range of its repeats and the figure beside it.
///
/// Rows are elements, not a drawing: so on a narrow screen the figure moves above its bar instead of out of sight.
struct DotPlot {
    struct Row {
        var name: String
        var style: SeriesStyle
        var value: Double
        var range: ClosedRange<Double>
        var text: String
        /// The ends of the range, in words; empty where they say no more than the figure.
        var rangeText: String
        /// Whether it begins another group.
        var isApart = false
    }

    var summary: String
    /// Logarithmic.
    var x: Axis
    var rows: [Row]

    var html: String {
        // The name of a tick at the very edge would not fit on a narrow screen if it stood in the middle.
        let ticks = x.ticks.map { tick in
            "<i\(x.fraction(tick.place) > 0.96 ? " class=\"last\"" : "") style=\"left:\(percent(x.fraction(tick.place)))\"><span>\(escaped(tick.text))</span></i>"
        }
        return "<div class=\"dots\" role=\"group\" aria-label=\"\(escaped(summary))\">\n<div class=\"ticks\" aria-hidden=\"true\">"
            + ticks.joined() + "</div>\n" + rows.map(row).joined(separator: "\n")
            + "\n<div class=\"title\">\(escaped(x.title))</div>\n</div>"
    }

    private func row(_ row: Row) -> String {
        func place(_ value: Double) -> Double { x.fraction(logarithm(value)) }
        let (from, dot, to) = (place(row.range.lowerBound), place(row.value), place(row.range.upperBound))
        let range = row.rangeText.isEmpty ? "" : " <small>\(escaped(row.rangeText))</small>"
        return "<div class=\"row\(row.isApart ? " apart" : "")\" style=\"--to:\(decimal(max(dot, to), 4))\">"
            + "<span class=\"name \(row.style.colour)\">\(escaped(row.name))</span>"
            + "<span class=\"plot\"><i class=\"bar \(row.style.colour)\" style=\"left:\(percent(from));width:\(percent(to - from))\"></i>"
            + "<i class=\"dot \(row.style.colour)\" style=\"left:\(percent(dot))\"></i></span>"
            + "<span class=\"value\">\(escaped(row.text))\(range)</span></div>"
    }

    private func percent(_ fraction: Double) -> String { decimal(fraction * 100, 2) + "%" }
}
