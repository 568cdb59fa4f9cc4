import TestSupport
import Testing

@testable import BenchReport

@Suite("The report", .fewAtATime)
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

    private func page(_ repeats: [Double], warnings: [[String]] = [[], []], notes: [String] = []) -> String {
        var ring = Example.result(.ring, .throughput, repeats: repeats, size: 8, wait: "adaptive")
        var pipe = Example.result(.pipe, .throughput, repeats: repeats.map { _ in 3e6 }, size: 8)
        (ring.warnings, pipe.warnings) = (warnings[0], warnings[1])
        return ReportPage([ring, pipe], notes: notes).html
    }

    private func card(of html: String) throws -> Substring { try #require(html.firstMatch(of: #/<div class="card">.*?<\/div>/#)?.output) }

    @Test("The headline shows its range, and says where that is wide")
    func headlineRange() throws {
        let wide = try card(of: page([114e6, 111e6, 705e6]))
        #expect(wide.contains("<b>114<small>million</small></b>") && wide.contains("of 111 to 705 million: the repeats differ widely"))
        let narrow = try card(of: page([114e6, 111e6, 120e6]))
        #expect(narrow.contains("of 111 to 120 million<") && !narrow.contains("differ widely"))
        #expect(try !card(of: page([114e6])).contains(" to "))
    }

    @Test("Two modes are named, with how many repeats are in each")
    func twoModes() throws {
        let html = page([707e6, 110e6, 112e6, 111e6, 709e6, 113e6])
        #expect(try card(of: html).contains("two modes: 110 to 113 million in 4 of 6 repeats, 707 to 709 million in 2 of 6"))
        #expect(
            html.contains("<li>throughput ring 8 B adaptive: two modes: 110 to 113 M/s in 4 of 6 repeats, 707 to 709 M/s in 2 of 6</li>"))
    }

    @Test("The banner has what throws doubt on every figure; what concerns single cases stands among the remarks")
    func banner() throws {
        let common = "others used 41 % of the processors meanwhile: figures may be too bad"
        let html = page(
            [1e8, 1e8], warnings: [[common, "preempted 212 times a second"], [common]], notes: ["left out: rtt posix-mq 8 B"])
        let banner = try #require(html.firstMatch(of: #/<div class="warnings">.*?<\/div>/#)?.output)
        #expect(banner.contains("Others used 41 %") && !banner.contains("reempted") && !banner.contains("left out"))
        let remarks = try #require(html.firstMatch(of: #/<ul class="remarks">.*?<\/ul>/#)?.output)
        #expect(remarks.contains("left out: rtt posix-mq 8 B") && remarks.contains("times a second: throughput ring 8 B adaptive"))
        #expect(!page([1e8, 1e8], notes: ["left out: rtt posix-mq 8 B"]).contains("class=\"warnings\""))
    }

    @Test("Figures stand beside their bars: in the same row, behind the dot and the range")
    func besideBars() throws {
        let rows = page([114e6, 111e6, 705e6]).matches(
            of: #/<div class="row[^>]*--to:([0-9.]+)">.*?left:([0-9.]+)%;width:([0-9.]+)%.*?<\/div>/#)
        let ring = try #require(rows.first { $0.output.0.contains("114 million <small>111 to 705</small>") })
        let (to, left, width) = try #require(
            Double(ring.output.1).flatMap { to in Double(ring.output.2).flatMap { left in Double(ring.output.3).map { (to, left, $0) } } })
        #expect(width > 0 && (left + width - to * 100).magnitude < 0.1)
    }

    @Test("Labels come in the order of what they name: lines by their ends, producers by their figures")
    func orderOfLabels() throws {
        let names = ["tcp", "ring", "pipe"]
        let series = zip(names, [1.0, 3, 2]).map { name, end in
            LineChart.Series(
                name: name, note: "", style: SeriesStyle(Example.run[0].setup), points: [(x: 0, y: 4 - end), (x: 1, y: end)])
        }
        let axis = Axis.logarithmic([1, 10_000], "", text: roundNumber)
        let chart = LineChart(summary: "", x: axis, y: axis, series: series).html
        let labels = chart.matches(of: #/<text class="label[^>]*>([a-z]+)/#).map { String($0.output.1) }
        let legend = chart.matches(of: #/<span class="name[^>]*>([a-z]+)/#).map { String($0.output.1) }
        #expect(labels == ["ring", "pipe", "tcp"] && legend == labels)
        let manyProducers = html.matches(of: #/<span class="name[^>]*>([0-9] × [a-z]+)/#).map { String($0.output.1) }
        #expect(manyProducers == ["1 × spsc", "1 × ring", "2 × ring"])
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
