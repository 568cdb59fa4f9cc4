/// The results on one page that needs nothing else: no script, no network.
package struct ReportPage {
    private let results: [CaseResult]
    private let repeats: Int
    private let notes: [String]
    private let standards: Standards
    private let figures: Figures

    /// - Parameter notes: what could not be measured.
    package init(_ results: [CaseResult], notes: [String]) {
        self.results = results
        repeats = results.first?.repeats.count ?? 0
        self.notes = notes
        standards = Standards(results)
        figures = Figures(results)
    }

    package var html: String {
        let machine = results.first?.machine
        let parts: [String] = [
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">",
            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">",
            "<title>What a message costs: \(escaped(machine?.processor ?? ""))</title>\n<style>\n\(PageStyle.css)</style>\n</head>\n<body>",
            "<h1>What a message costs from process to process</h1>",
            "<p class=\"lead\">\(lead)</p>",
            cards, banner,
            figures.all.map {
                "<h2>\(escaped($0.title))</h2>\n<figure>\n<figcaption>\(escaped($0.caption))</figcaption>\n\($0.html)\n</figure>"
            }
            .joined(separator: "\n"),
            self.machine, method, remarks, tables, "</body>\n</html>\n",
        ]
        return parts.joined(separator: "\n")
    }

    private var lead: String {
        guard let result = results.first else { return "" }
        let date = result.date.isEmpty ? "" : " \(result.date)."
        return escaped(
            "Measured by ringbench on \(result.machine.processor), \(result.machine.processors), \(result.machine.kernel).\(date) "
                + "\(repeats == 1 ? "Each case once." : "\(repeats) repeats, all cases in turn; figures are medians.")")
    }

    // MARK: The figures to remember

    private var cards: String {
        let cards = [roundTripCard, loadCard, rateCard, bytesCard].compactMap { $0 }
        return cards.isEmpty ? "" : "<div class=\"cards\">\n\(cards.joined(separator: "\n"))\n</div>"
    }

    /// - Parameters:
    ///   - spread: the repeats of the figure. Its median is shown with its range, and with a caution where that is wide.
    ///   - text: how a figure is written, with its unit.
    private func card(_ what: String, _ spread: Spread, _ text: (Double) -> String, beside: [String?]) -> String {
        let words = text(spread.middle).split(separator: " ", maxSplits: 1)
        let unit = words.count > 1 ? "<small>\(escaped(String(words[1])))</small>" : ""
        var range = ""
        if let caution = spread.caution(text) {
            range = "<span class=\"caution\">\(escaped(caution))</span>"
        } else if text(spread.least) != text(spread.most) {
            range = "<span class=\"range\">of \(escaped(Spread.words(spread.least, spread.most, text)))</span>"
        }
        let lines = beside.compactMap { $0 }.map { "<span class=\"beside\">\(escaped($0))</span>" }
        return "<div class=\"card\"><span class=\"what\">\(escaped(what))</span><b>\(escaped(String(words[0])))\(unit)</b>"
            + range + lines.joined() + "</div>"
    }

    /// "1.75 times the floor", with the range of the ratios where it is wide.
    private func times(_ ring: CaseResult, _ other: CaseResult?, _ name: String) -> String? {
        guard let other else { return nil }
        let ratios = Spread(ring.ratios(to: other))
        return "\(brief(ratios.middle)) times \(name)" + (ratios.isWide ? ", of \(ratios.text(unit: 1))" : "")
    }

    /// The ring that does best, which the card names.
    private func best(_ mode: Mode, _ isBetter: (CaseResult, CaseResult) -> Bool) -> CaseResult? {
        figures.alike(mode).filter { $0.setup.transport == .ring }.min(by: isBetter)
    }

    private var roundTripCard: String? {
        best(.rtt) { $0.headline < $1.headline }.map { ring in
            card(
                "Median round trip, \(byteCount(ring.setup.size)), \(figures.name(ring.setup))", Spread(ring.repeats), duration,
                beside: [
                    times(ring, standards.floor(for: ring), "the floor"),
                    standards.pipe(for: ring).map { "a pipe: \(duration($0.headline))" },
                ])
        }
    }

    private var loadCard: String? {
        best(.rate) { $0.headline < $1.headline }.map { ring in
            card(
                "Median at 100,000 a second, \(byteCount(ring.setup.size)), \(figures.name(ring.setup))", Spread(ring.repeats), duration,
                beside: [
                    ring.latency.map { "99 % within \(duration($0.p99))" },
                    standards.pipe(for: ring).map { "a pipe: \(duration($0.headline))" },
                ])
        }
    }

    private var rateCard: String? {
        best(.throughput) { $0.headline > $1.headline }.map { ring in
            card(
                "Messages a second, \(byteCount(ring.setup.size)), \(figures.name(ring.setup))", Spread(ring.repeats),
                { brief($0 / 1e6) + " million" }, beside: [times(ring, standards.pipe(for: ring), "a pipe")])
        }
    }

    private var bytesCard: String? {
        let rings = results.filter { $0.setup.mode == .throughput && $0.setup.transport == .ring }
        return rings.max { $0.gigabytesPerSecond < $1.gigabytesPerSecond }.map { ring in
            card(
                "Payload a second, \(byteCount(ring.setup.size)), \(figures.name(ring.setup))",
                Spread(ring.repeats.map { $0 * Double(ring.setup.size) / 1e9 }), { brief($0) + " GB" },
                beside: [times(ring, standards.floor(for: ring), "copying in and out")])
        }
    }

    // MARK: What to know about them

    /// What throws doubt on every figure of the page, and nothing else: who reads a banner about trifles reads no second one.
    private var banner: String {
        let lines = results.commonWarnings
        guard !lines.isEmpty else { return "" }
        return "<div class=\"warnings\">\(lines.map { "<p>\(escaped($0.prefix(1).uppercased() + $0.dropFirst()))</p>" }.joined())</div>"
    }

    /// What concerns single cases: those that could not be measured, that were disturbed, or whose repeats differ.
    private var remarks: String {
        var lines = notes
        let disturbed = results.filter { !Set(results.commonWarnings).isSuperset(of: $0.warnings) }
        if !disturbed.isEmpty {
            lines.append("Preempted more than 100 times a second: \(disturbed.map(\.setup.name).joined(separator: "; "))")
        }
        lines += ResultTables(results).cautions
        guard !lines.isEmpty else { return "" }
        return "<h2>Remarks</h2>\n<ul class=\"remarks\">\(lines.map { "<li>\(escaped($0))</li>" }.joined())</ul>"
    }

    private var machine: String {
        guard let result = results.first else { return "" }
        let facts = result.machine.facts + [.init(key: "CPUs of this run", value: result.cpus)]
        return "<h2>The machine</h2>\n<dl>\(facts.map { "<dt>\(escaped($0.key))</dt><dd>\(escaped($0.value))</dd>" }.joined())</dl>"
    }

    private var method: String {
        let rules = [
            "Two processes, each pinned to a CPU of its own; more where there are several producers. Never threads.",
            "Every message is written in full by its sender and read in full by its receiver, and its contents and number are checked. A failed check gives no figures.",
            "All cases are measured in turn, \(repeats == 1 ? "once" : "\(repeats) times, there and back"), so that whatever else the machine does falls on all alike. "
                + "Figures are medians of the repeats; ratios are medians of ratios turn by turn; a maximum is the largest of all.",
            "Under a load a message's time counts from when it was due, not from when it could be sent: a stall is charged to every message it delays.",
            "Floors do as little as can be: line2 is one cache line each way between two cores that spin, futex a bare wake and wait each way, "
                + "stream a copy in, a hand-over and a copy out. bare-ring is the ring's protocol with nothing around it: no checks, no sleep, "
                + "no take-over. The ring's distance to them is what could be gained.",
            "Each transport in its best ordinary form: pipes as large as an ordinary user may have, TCP with TCP_NODELAY. "
                + "Kernel objects block, so their reader sleeps; how the ring waits is a choice: spinning, spinning a while, or sleeping.",
            "Virtual processors, other guests and power saving move absolute times from run to run. Ratios within a run are sounder.",
        ]
        return "<h2>How it was measured</h2>\n<ul>\(rules.map { "<li>\(escaped($0))</li>" }.joined())</ul>"
    }

    private var tables: String {
        let parts = ResultTables(results).tables.map { table in
            let header = table.rows[0].enumerated().map {
                "<th\($0.offset < table.leftColumns ? " class=\"name\"" : "")>\(escaped($0.element))</th>"
            }
            let rows = table.rows.dropFirst().map { row in
                "<tr>"
                    + row.enumerated().map { "<td\($0.offset < table.leftColumns ? " class=\"name\"" : "")>\(escaped($0.element))</td>" }
                    .joined() + "</tr>"
            }
            return
                "<details><summary><code>\(table.mode.rawValue)</code> \(escaped(table.mode.title))</summary><div class=\"scroll\"><table><thead><tr>"
                + "\(header.joined())</tr></thead><tbody>\n\(rows.joined(separator: "\n"))\n</tbody></table></div></details>"
        }
        return "<h2>All figures</h2>\n\(parts.joined(separator: "\n"))"
    }
}
