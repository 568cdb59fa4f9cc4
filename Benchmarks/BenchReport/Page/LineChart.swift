/// Lines with their names at their right ends: nobody has to look up a legend.
struct LineChart {
    struct Series {
        var name: String
        /// A figure that stands behind the name.
        var note: String
        var style: SeriesStyle
        /// In the axes' terms.
        var points: [(x: Double, y: Double)]
        var hasMarks = false
    }

    var summary: String
    var x: Axis
    var y: Axis
    var series: [Series]

    private static let width = 980.0
    private static let left = 78.0
    private static let top = 34.0
    private static let labelWidth = 236.0
    private static let labelGap = 18.0

    /// High enough for the names to stand one below the other.
    private var plotHeight: Double { max(350, Double(series.count) * Self.labelGap + 20) }
    private var right: Double { Self.width - Self.labelWidth }
    private var bottom: Double { Self.top + plotHeight }

    private func across(_ place: Double) -> Double { Self.left + x.fraction(place) * (right - Self.left) }
    private func down(_ place: Double) -> Double { bottom - y.fraction(place) * plotHeight }

    var svg: String {
        let height = bottom + 54
        var lines = [
            "<svg viewBox=\"0 0 \(at(Self.width)) \(at(height))\" role=\"img\" aria-label=\"\(escaped(summary))\">",
            "<text class=\"axis\" x=\"\(at(Self.left - 66))\" y=\"16\">\(escaped(y.title))</text>",
        ]
        lines += y.ticks.map { tick in
            let place = down(tick.place)
            return "<line class=\"grid\" x1=\"\(at(Self.left))\" x2=\"\(at(right))\" y1=\"\(at(place))\" y2=\"\(at(place))\"/>"
                + "<text class=\"tick\" text-anchor=\"end\" x=\"\(at(Self.left - 10))\" y=\"\(at(place + 4.5))\">\(escaped(tick.text))</text>"
        }
        lines += x.ticks.map { tick in
            let place = across(tick.place)
            return "<line class=\"grid\" x1=\"\(at(place))\" x2=\"\(at(place))\" y1=\"\(at(Self.top))\" y2=\"\(at(bottom))\"/>"
                + "<text class=\"tick\" text-anchor=\"middle\" x=\"\(at(place))\" y=\"\(at(bottom + 22))\">\(escaped(tick.text))</text>"
        }
        lines.append(
            "<text class=\"axis\" text-anchor=\"middle\" x=\"\(at((Self.left + right) / 2))\" y=\"\(at(bottom + 46))\">\(escaped(x.title))</text>"
        )
        lines += series.map(line) + labels
        return (lines + ["</svg>"]).joined(separator: "\n")
    }

    private func line(_ series: Series) -> String {
        let path = series.points.enumerated().map { index, point in
            "\(index == 0 ? "M" : "L")\(at(across(point.x))) \(at(down(point.y)))"
        }
        let marks =
            !series.hasMarks
            ? ""
            : series.points.map {
                "<circle class=\"mark \(series.style.colour)\" cx=\"\(at(across($0.x)))\" cy=\"\(at(down($0.y)))\" r=\"3.5\"/>"
            }.joined()
        return "<path class=\"line \(series.style.classes)\" d=\"\(path.joined())\"/>" + marks
    }

    private var labels: [String] {
        let shown = series.filter { !$0.points.isEmpty }
        let ends = shown.map { down($0.points[$0.points.count - 1].y) }
        let places = LabelPlacement.places(ends, gap: Self.labelGap, in: Self.top - 8...bottom)
        return shown.indices.map { index in
            let (series, end, place) = (shown[index], ends[index], places[index])
            let start = across(series.points[series.points.count - 1].x)
            return
                "<path class=\"leader \(series.style.colour)\" d=\"M\(at(start + 3)) \(at(end))L\(at(right + 6)) \(at(end))L\(at(right + 20)) \(at(place))\"/>"
                + "<text class=\"label \(series.style.colour)\" x=\"\(at(right + 25))\" y=\"\(at(place + 4.5))\">\(escaped(series.name))"
                + "<tspan class=\"note\" dx=\"7\">\(escaped(series.note))</tspan></text>"
        }
    }
}
