import Foundation
import TestSupport
import Testing

@testable import SharedRing

@Suite("What shape a ring has, and what shape is asked for", .oneByOne)
struct ShapeTests {
    let place = Place()

    @Test("A ring that is there with another shape is an error in the traits that have to be exact, and in no others") func exact() throws {
        var made = place.options(capacity: 8192)
        made.recordAlignment = 16
        _ = try SPSCRing.create("s", options: made)
        _ = try MPSCRing.create("m", lanes: 3, order: .total, options: made)

        var asked = place.options(capacity: 4096)
        #expect(try SPSCRing.openOrCreate("s", options: asked).capacity == 8192, "as it is, unless that is asked for")
        #expect(try MPSCRing.openOrCreate("m", lanes: 2, options: asked).laneCount == 3)

        asked.exactTraits = .all
        let (capacity, alignment) = ("capacity in bytes is 8192, not 4096", "record alignment is 16, not 8")
        expectError(.differentShape, saying: capacity, alignment) { () throws(RingError) in
            _ = try SPSCRing.openOrCreate("s", options: asked)
        }
        expectError(.differentShape, saying: "lane count is 3, not 2", "order is total, not per producer") { () throws(RingError) in
            _ = try MPSCRing.openOrCreate("m", lanes: 2, options: asked)
        }
        asked.exactTraits = .laneCount
        #expect(try MPSCRing.openOrCreate("m", lanes: 3, options: asked).capacity == 8192)
        asked.exactTraits = .capacity
        asked.capacity = 5000  // which is rounded as when a ring is made
        #expect(try MPSCRing.openOrCreate("m", lanes: 2, options: asked).capacity == 8192)
        made.exactTraits = .all
        #expect(try MPSCRing.openOrCreate("m", lanes: 3, order: .total, options: made).laneCount == 3)
    }

    @Test("It holds for a ring that takes the place of the one that was found, too") func replaced() throws {
        var options = place.options(capacity: 4096)
        options.exactTraits = .all
        let ring = try SPSCRing.openOrCreate("r", options: options)
        try SPSCRing.remove("r", options: options)
        _ = try SPSCRing.create("r", options: place.options(capacity: 8192))
        expectError(.differentShape, saying: "8192, not 4096") { () throws(RingError) in try ring.makeProducer().close() }
        try SPSCRing.remove("r", options: options)
        try ring.makeProducer().close()
    }

    @Test("No number that a user gives traps: an error that has the number, and nothing is made") func numbers() throws {
        let numbers = [Int.min, -1, 0, 1, 7, (1 << 40) + 1, 1 << 62, Int.max - 1, Int.max]
        for number in numbers where number <= 0 || number > 1 << 40 {
            expectError(.invalidOption, saying: "\(number)") { () throws(RingError) in
                _ = try SPSCRing.create("r", options: place.options(capacity: number))
            }
            expectError(.invalidOption, saying: "\(number)") { () throws(RingError) in
                _ = try SPSCRing.openOrCreate("r", options: place.options(capacity: number))
            }
            expectError(.invalidOption, saying: "\(number)") { () throws(RingError) in
                _ = try SPSCRing.anonymous(options: RingOptions(capacity: number))
            }
            expectError(.invalidOption, saying: "\(number)") { () throws(RingError) in
                var options = RingOptions(capacity: number)
                options.usesHugePages = true
                _ = try SPSCRing.anonymous(options: options)
            }
        }
        for number in numbers where number != 1 && number != 7 {
            expectError(.invalidOption, saying: "\(number)") { () throws(RingError) in
                _ = try MPSCRing.create("r", lanes: number, options: place.options())
            }
            expectError(.invalidOption, saying: "\(number)") { () throws(RingError) in
                _ = try MPSCRing.openOrCreate("r", lanes: number, options: place.options())
            }
        }
        for number in numbers {
            expectError(.invalidOption, saying: "\(number)") { () throws(RingError) in
                var options = place.options()
                options.recordAlignment = number
                _ = try SPSCRing.create("r", options: options)
            }
        }
        for mode in [0, 0o400, 0o1600, UInt32.max] {
            expectError(.invalidOption, saying: String(mode, radix: 8)) { () throws(RingError) in
                var options = place.options()
                options.permissions = mode
                _ = try SPSCRing.create("r", options: options)
            }
        }
        #expect(place.names == [])
    }

    /// Two of the largest rings there can be: more than any file system here has.
    @Test("A size that is allowed and that nobody has room for is outOfSpace or the system's error") func enormous() {
        let error = failure { () throws(RingError) in
            _ = try MPSCRing.create("r", lanes: 1024, options: place.options(capacity: 1 << 40))
        }
        #expect(error?.code == .outOfSpace || error?.code == .system, "\(String(describing: error))")
        #expect(place.names == [])
    }

    @Test("A ring for which no capacity is given has the default one") func defaults() throws {
        #expect(RingOptions().capacity == RingOptions.defaultCapacity)
        var options = RingOptions()
        options.directory = place.path
        #expect(try SPSCRing.create("r", options: options).capacity == RingOptions.defaultCapacity)
    }
}
