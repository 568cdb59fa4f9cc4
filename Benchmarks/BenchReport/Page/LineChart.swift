/// Lines with their names at their right ends, so that no legend has to be looked up; on a narrow screen a list below, in
/// the order in which the lines end.
struct LineChart {
    struct Series {
        var name: String
        /// Figures that stand behind the name.
        var note: String
        var style: SeriesStyle
        /// In the axes' terms.
        var points: [(x: Double, y: Double)]
        var hasMarks = false
    }

    /// Where things lie in a drawing, in its own units, which are about pixels of a screen.
    private struct Layout {
        var name: String
        var width: Double
        var left: Double
        /// What is free at the right of the plot.
        var margin: Double
        var leastHeight: Double
        var hasLabels: Bool

        static let wide = Layout(name: "wide", width: 980, left: 78, margin: 318, leastHeight: 350, hasLabels: true)
        static let narrow = Layout(name: "narrow", width: 360, left: 52, margin: 24, leastHeight: 260, hasLabels: false)

        var right: Double { width - margin }
    }

    var summary: String
    var x: Axis
    var y: Axis
    var series: [Series]

    private static let top = 34.0
    private static let labelGap = 18.0

    var html: String { [svg(.wide), svg(.narrow), legend].joined(separator: "\n") }

    /// High enough for the names to stand one below the other.
    private func plotHeight(_ layout: Layout) -> Double {
        layout.hasLabels ? max(layout.leastHeight, Double(series.count) * Self.labelGap + 20) : layout.leastHeight
    }

    private func bottom(_ layout: Layout) -> Double { Self.top + plotHeight(layout) }
    private func across(_ place: Double, _ layout: Layout) -> Double { layout.left + x.fraction(place) * (layout.right - layout.left) }
    private func down(_ place: Double, _ layout: Layout) -> Double { bottom(layout) - y.fraction(place) * plotHeight(layout) }

    private func svg(_ layout: Layout) -> String {
        let bottom = bottom(layout)
        let box = "0 0 \(at(layout.width)) \(at(bottom + 54))"
        var lines = [
            "<svg class=\"\(layout.name)\" viewBox=\"\(box)\" role=\"img\" aria-label=\"\(escaped(summary))\">",
            "<text class=\"axis\" x=\"\(at(layout.hasLabels ? layout.left - 66 : 0))\" y=\"16\">\(escaped(y.title))</text>",
        ]
        lines += y.ticks.map { tick in
            let place = down(tick.place, layout)
            return "<line class=\"grid\" x1=\"\(at(layout.left))\" x2=\"\(at(layout.right))\" y1=\"\(at(place))\" y2=\"\(at(place))\"/>"
                + "<text class=\"tick\" text-anchor=\"end\" x=\"\(at(layout.left - 8))\" y=\"\(at(place + 4.5))\">\(escaped(tick.text))</text>"
        }
        lines += x.ticks.map { tick in
            let place = across(tick.place, layout)
            return "<line class=\"grid\" x1=\"\(at(place))\" x2=\"\(at(place))\" y1=\"\(at(Self.top))\" y2=\"\(at(bottom))\"/>"
                + "<text class=\"tick\" text-anchor=\"middle\" x=\"\(at(place))\" y=\"\(at(bottom + 22))\">\(escaped(tick.text))</text>"
        }
        let middle = (layout.left + layout.right) / 2
        lines.append("<text class=\"axis\" text-anchor=\"middle\" x=\"\(at(middle))\" y=\"\(at(bottom + 46))\">\(escaped(x.title))</text>")
        lines += series.map { line($0, layout) } + (layout.hasLabels ? labels(layout) : [])
        return (lines + ["</svg>"]).joined(separator: "\n")
    }

    private func line(_ series: Series, _ layout: Layout) -> String {
        let path = series.points.enumerated().map { index, point in
            "\(index == 0 ? "M" : "L")\(at(across(point.x, layout))) \(at(down(point.y, layout)))"
        }
        let marks =
            !series.hasMarks
            ? ""
            : series.points.map {
                "<circle class=\"mark \(series.style.colour)\" cx=\"\(at(across($0.x, layout)))\" cy=\"\(at(down($0.y, layout)))\" r=\"3.5\"/>"
            }.joined()
        return "<path class=\"line \(series.style.classes)\" d=\"\(path.joined())\"/>" + marks
    }

    /// From the line that ends highest to the one that ends lowest.
    private var inOrder: [Series] {
        series.filter { !$0.points.isEmpty }.sorted { $0.points[$0.points.count - 1].y > $1.points[$1.points.count - 1].y }
    }

    private func labels(_ layout: Layout) -> [String] {
        let shown = inOrder
        let ends = shown.map { down($0.points[$0.points.count - 1].y, layout) }
        let places = LabelPlacement.places(ends, gap: Self.labelGap, in: Self.top - 8...bottom(layout))
        return shown.indices.map { index in
            let (series, end, place) = (shown[index], ends[index], places[index])
            let start = across(series.points[series.points.count - 1].x, layout)
            let right = layout.right
            return
                "<path class=\"leader \(series.style.colour)\" d=\"M\(at(start + 3)) \(at(end))L\(at(right + 6)) \(at(end))L\(at(right + 20)) \(at(place))\"/>"
                + "<text class=\"label \(series.style.colour)\" x=\"\(at(right + 25))\" y=\"\(at(place + 4.5))\">\(escaped(series.name))"
                + "<tspan class=\"note\" dx=\"7\">\(escaped(series.note))</tspan></text>"
        }
    }

    private var legend: String {
        let rows = inOrder.map { series in
            "<li><svg viewBox=\"0 0 28 10\" aria-hidden=\"true\"><path class=\"line \(series.style.classes)\" d=\"M1 5L27 5\"/></svg>"
                + "<span class=\"name \(series.style.colour)\">\(escaped(series.name))</span> <span class=\"value\">\(escaped(series.note))</span></li>"
        }
        return "<ul class=\"legend narrow\">\(rows.joined())</ul>"
    }
}
