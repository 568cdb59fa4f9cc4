import CSharedRing
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

    @Test("So it is of a broadcast, a board and a call service, each in its own traits") func exactInOtherKinds() throws {
        var options = place.options()
        _ = try BroadcastRing.create("b", subscribers: 4, options: options)
        _ = try Board.create("v", entries: [Board.Entry("k", capacity: 8)], options: options)
        var shape = CallService.Shape(clients: 4, servers: 2, requestCapacity: 100, replyCapacity: 200)
        _ = try CallService.create("c", shape: shape, options: options)
        let more = [Board.Entry("k", capacity: 8), Board.Entry("l", capacity: 8)]

        #expect(try BroadcastRing.openOrCreate("b", subscribers: 64, options: options).subscriberCount == 4)
        #expect(try Board.openOrCreate("v", entries: more, keepsTime: true, options: options).entryCapacity == 1)
        #expect(try CallService.openOrCreate("c", options: options).shape == shape)

        options.exactTraits = .all
        _ = try BroadcastRing.openOrCreate("b", subscribers: 4, options: options)
        _ = try Board.openOrCreate("v", entries: [Board.Entry("other", capacity: 8)], options: options)
        _ = try CallService.openOrCreate("c", shape: shape, options: options)
        expectError(.differentShape, saying: "number of subscribers is 4, not 64") { () throws(RingError) in
            _ = try BroadcastRing.openOrCreate("b", subscribers: 64, options: options)
        }
        expectError(.differentShape, saying: "number of entries is 1, not 2", "keeping of the time is false, not true") {
            () throws(RingError) in
            _ = try Board.openOrCreate("v", entries: more, keepsTime: true, options: options)
        }
        shape.servers = 3
        shape.replyCapacity = 10  // which is rounded as when a service is made
        expectError(.differentShape, saying: "places for servers is 2, not 3", "largest reply in bytes is 200, not 48") {
            () throws(RingError) in
            _ = try CallService.openOrCreate("c", shape: shape, options: options)
        }
        options.exactTraits = [.capacity, .laneCount]
        _ = try CallService.openOrCreate("c", shape: shape, options: options)
        _ = try BroadcastRing.openOrCreate("b", subscribers: 64, options: options)
    }

    @Test("It holds for a board and a service that take the place of those that were found, too") func replacedInOtherKinds() throws {
        var options = place.options()
        options.exactTraits = .all
        let entries = [Board.Entry("k", capacity: 8)]
        let board = try Board.openOrCreate("v", entries: entries, options: options)
        let service = try CallService.openOrCreate("c", options: options)
        try Board.remove("v", options: options)
        try CallService.remove("c", options: options)
        _ = try Board.create("v", entries: entries, room: Board.Room(entries: 1, byteCount: 8), options: options)
        _ = try CallService.create("c", shape: CallService.Shape(clients: 2), options: options)
        expectError(.differentShape, saying: "number of entries is 2, not 1") { () throws(RingError) in try board.makeWriter("k").close() }
        expectError(.differentShape, saying: "slots for clients is 2, not 64") { () throws(RingError) in try service.makeServer().close() }
        try Board.remove("v", options: options)
        try CallService.remove("c", options: options)
        try board.makeWriter("k").close()
        try service.makeServer().close()
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

    @Test("Nor does one that a broadcast, a board or a call service is asked for with") func numbersOfOtherKinds() throws {
        let numbers = [Int.min, Int.min + 1, -1, (1 << 40) + 1, 1 << 62, Int.max - 1, Int.max]
        let service = try CallService.anonymous(shape: CallService.Shape(clients: 2))
        #expect(try service.makeClient(slots: Int.max).slots == 2)
        for number in numbers {
            func refused(sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws(RingError) -> Void) {
                expectError(.invalidOption, saying: "\(number)", sourceLocation: sourceLocation, body)
            }
            refused { () throws(RingError) in _ = try BroadcastRing.create("r", subscribers: number, options: place.options()) }
            refused { () throws(RingError) in _ = try BroadcastRing.openOrCreate("r", subscribers: number, options: place.options()) }
            for shape in [
                CallService.Shape(clients: number), CallService.Shape(servers: number), CallService.Shape(requestCapacity: number),
                CallService.Shape(replyCapacity: number),
            ] { refused { () throws(RingError) in _ = try CallService.create("r", shape: shape, options: place.options()) } }
            let entries = [Board.Entry("k", capacity: 8)]
            refused { () throws(RingError) in
                _ = try Board.create("r", entries: [Board.Entry("k", capacity: number)], options: place.options())
            }
            for room in [Board.Room(entries: number, byteCount: 8), Board.Room(entries: 1, byteCount: number)] {
                refused { () throws(RingError) in _ = try Board.create("r", entries: entries, room: room, options: place.options()) }
            }
            if number <= 0 { refused { () throws(RingError) in _ = try service.makeClient(slots: number) } }
        }
        #expect(place.names == [])
    }

    /// Two of the largest rings there can be: more than any file system here has.
    @Test("A size that is allowed and for which there is no room is outOfSpace or the system's error") func enormous() {
        let error = failure { () throws(RingError) in
            _ = try MPSCRing.create("r", lanes: 1024, options: place.options(capacity: 1 << 40))
        }
        #expect(error?.code == .outOfSpace || error?.code == .system, "\(String(describing: error))")
        #expect(place.names == [])
    }

    @Test(
        "The default capacity is twice the second-level cache, from 1 to 8 MiB",
        arguments: [(0, 1), (256, 1), (512, 1), (768, 2), (1024, 2), (1280, 4), (2048, 4), (3072, 8), (4096, 8), (16384, 8)])
    func cache(kibibytes: UInt64, mebibytes: Int) {
        #expect(RingOptions.defaultCapacity(cache: kibibytes << 10) == mebibytes << 20)
        #expect(RingOptions.defaultCapacity(cache: sr_second_level_cache()) == RingOptions.defaultCapacity)
        #expect(RingOptions.defaultCapacity(cache: .max) == 8 << 20, "no size traps")
    }

    @Test("A ring for which no capacity is given has the default one") func defaults() throws {
        #expect(RingOptions().capacity == RingOptions.defaultCapacity)
        var options = RingOptions()
        options.directory = place.path
        #expect(try SPSCRing.create("r", options: options).capacity == RingOptions.defaultCapacity)
    }
}
