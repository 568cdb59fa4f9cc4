import TestSupport
import Testing

@testable import ringbench

@Suite("The histogram", .fewAtATime)
struct HistogramTests {
    @Test("Percentiles are exact to a thousandth, over the whole range")
    func percentiles() {
        let histogram = Histogram()
        for value in 1...100_000 { histogram.record(UInt64(value) * 37) }
        for fraction in [0.01, 0.5, 0.9, 0.999, 0.99999] {
            let exact = (fraction * 100_000).rounded(.up) * 37
            #expect((histogram.value(at: fraction, step: 1) - exact).magnitude <= exact / 1000 + 1)
        }
        #expect(histogram.largest == 3_700_000)
        #expect(histogram.value(at: 1, step: 1) <= 3_700_000)
        histogram.record(1 << 50)
        #expect(histogram.largest == 1 << 50)
    }

    @Test("A counter that advances in steps gives values in between")
    func steps() {
        let histogram = Histogram()
        for _ in 0..<500 { histogram.record(260) }
        for _ in 0..<500 { histogram.record(286) }
        let median = histogram.value(at: 0.5, step: 26)
        #expect(median > 260 && median < 286)
        #expect(histogram.value(at: 0.25, step: 26) < median)
    }

    @Test("It begins again")
    func reset() {
        let histogram = Histogram()
        histogram.record(5)
        histogram.reset()
        #expect(histogram.count == 0 && histogram.largest == 0 && histogram.value(at: 0.5, step: 1) == 0)
    }
}
