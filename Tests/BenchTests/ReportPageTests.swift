import Testing

@testable import BenchReport

@Suite("The report")
struct ReportPageTests {
    private let html = ReportPage(Example.run, notes: ["left out: something <odd>"]).html

    @Test("One page, which fetches nothing and runs nothing")
    func selfContained() {
        for word in ["<script", "http:", "https:", "url(", "@import", "<link", "src="] { #expect(!html.contains(word), "\(word)") }
    }

    @Test("Every element that opens closes, in order")
    func wellFormed() {
        var open: [Substring] = []
        for tag in html.matches(of: #/<(/?)([a-z0-9]+)[^>]*?(/?)>/#) {
            if tag.1 == "/" {
                #expect(open.popLast() == tag.2)
            } else if tag.3.isEmpty && tag.2 != "meta" {
                open.append(tag.2)
            }
        }
        #expect(open.isEmpty)
    }

    @Test("It has the figures, the machine, the method and the tables")
    func contents() {
        for title in [
            "Round trips", "Under a steady load", "Throughput by size", "Processor time of a message", "Many producers",
            "How it was measured",
        ] {
            #expect(html.contains("<h2>\(title)</h2>"), "\(title)")
        }
        #expect(html.contains("Example &lt;CPU&gt;") && html.contains("something &lt;odd&gt;"))
        #expect(html.contains("prefers-color-scheme: dark"))
        #expect(!html.contains("nan") && !html.contains("inf"))
    }

    @Test("Of a single case there is a page, too")
    func single() {
        for result in Example.run { #expect(ReportPage([result], notes: []).html.contains("</html>")) }
    }

    @Test("Labels do not lie on each other, and stay as near as they can")
    func labels() {
        let places = LabelPlacement.places([50, 51, 52, 200], gap: 10, in: 0...300)
        #expect(places == [41, 51, 61, 200])
        let low = LabelPlacement.places([299, 300, 300], gap: 10, in: 0...300)
        #expect(low.max() == 300 && Set(low).count == 3)
        let many = LabelPlacement.places((0..<12).map { Double($0 * $0 % 7) * 5 }, gap: 9, in: 0...300).sorted()
        #expect(zip(many, many.dropFirst()).allSatisfy { $1 - $0 >= 9 - 1e-9 } && many[0] >= 0)
    }

    @Test("A logarithmic axis holds all values and has marks", arguments: [[1.0, 1], [95, 130], [0.002, 80], [100, 1e7]])
    func axis(values: [Double]) {
        let axis = Axis.logarithmic(values, "", text: roundNumber)
        for value in values { #expect((0...1).contains(axis.fraction(logarithm(value)))) }
        #expect(axis.ticks.count >= 2 && axis.ticks.allSatisfy { (-1e-6...1 + 1e-6).contains(axis.fraction($0.place)) })
    }
}
