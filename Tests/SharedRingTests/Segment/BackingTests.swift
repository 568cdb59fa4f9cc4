import CSharedRing
import Foundation
import TestSupport
import Testing

@testable import SharedRing

@Suite("What a ring lies in: files that outlive a restart, huge pages", .oneByOne)
struct BackingTests {
    /// A directory on whatever the temporary files lie on.
    private func withDirectory(_ body: (RingOptions) throws -> Void) throws {
        let path = NSTemporaryDirectory() + "sharedring-tests-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: path) }
        var options = RingOptions(capacity: 4096)
        options.directory = path
        options.isDurable = true
        try body(options)
    }

    /// As a restart leaves the file: another boot's id is in it. (The locks are gone too, as no process is attached.)
    private func restart(_ name: String, _ options: RingOptions) throws {
        let file = try #require(FileHandle(forUpdatingAtPath: "\(options.directory)/\(name)"))
        let place = SegmentHeader.pageSize + MemoryLayout<sr_segment_control>.offset(of: \.boot_id)!
        try file.seek(toOffset: UInt64(place))
        file.write(Data((0..<16).map { _ in UInt8.random(in: 1...255) }))
        try file.close()
    }

    private func error(_ body: () throws(RingError) -> Void) -> RingError.Code? {
        do throws(RingError) { try body() } catch { return error.code }
        return nil
    }

    private func sendThree(_ ring: SPSCRing) throws {
        var producer = try ring.makeProducer()
        for text in ["one", "two", "three"] { try producer.send(text) }
        try producer.close()
    }

    private func receiveAll(_ ring: SPSCRing) throws -> [String] {
        var consumer = try ring.makeConsumer()
        var texts: [String] = []
        while let message = try consumer.next(timeout: patience) { texts.append(message.text) }
        try consumer.close()
        return texts
    }

    /// The flags of this process's maps of a file, by their address: "rd wr sh … dd".
    private func flags(ofMaps path: String) throws -> [[Substring]] {
        // The size of a file in /proc is not known before it is read.
        let file = open("/proc/self/smaps", O_RDONLY)
        defer { close(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = read(file, &buffer, buffer.count), count > 0 { bytes += buffer[..<count] }
        let maps = String(decoding: bytes, as: UTF8.self)
        var found: [[Substring]] = []
        var isOurs = false
        for line in maps.split(separator: "\n") {
            if line.contains("-"), line.split(separator: " ").first?.contains("-") == true { isOurs = line.hasSuffix(path) }
            if isOurs, line.hasPrefix("VmFlags:") { found.append(line.dropFirst(8).split(separator: " ")) }
        }
        return found
    }

    @Test("A ring's data is left out of core dumps, unless that is asked for", arguments: [false, true]) func dumps(isDumped: Bool) throws {
        let place = Place()
        let options = place.options()
        let endpoint = EndpointOptions(isDataDumped: isDumped)
        let ring = try MPSCRing.create("r", lanes: 2, options: options)
        let producer = try ring.makeProducer(options: endpoint)
        let consumer = try ring.makeConsumer(options: endpoint)
        let tap = try RingTap("r", isDataDumped: isDumped, options: options)
        let flags = try flags(ofMaps: place.path("r"))
        // Twice the lane, for each of the three; and the control blocks of each, which are small and say where every process stood.
        #expect(flags.count == 9)
        #expect(flags.count { $0.contains("dd") } == (isDumped ? 0 : 6))
        #expect(flags.allSatisfy { $0.contains("dc") }, "and none of it is a forked child's")
        withExtendedLifetime(tap) {}
        try producer.close()
        try consumer.close()
    }

    @Test("So is that of a broadcast, a board and a call service", arguments: [false, true]) func dumpsOfOtherKinds(isDumped: Bool) throws {
        let place = Place()
        let options = place.options()
        let endpoint = EndpointOptions(isDataDumped: isDumped)
        /// How many maps are left out, and how many there are.
        func count(_ name: String) throws -> [Int] {
            let flags = try flags(ofMaps: place.path(name))
            return [flags.count { $0.contains("dd") }, flags.count]
        }
        let broadcast = try BroadcastRing.create("b", subscribers: 2, options: options)
        let publisher = try broadcast.makePublisher(options: endpoint)
        let subscriber = try broadcast.makeSubscriber(options: endpoint)
        let lossy = try broadcast.makeSubscriber(.lossy, options: endpoint)
        #expect(try count("b") == [isDumped ? 0 : 6, 9], "twice the lane, for each of the three")
        let board = try Board.create("v", entries: [Board.Entry("k", capacity: 8)], options: options)
        let writer = try board.makeWriter("k", options: endpoint)
        let reader = try board.makeReader("k", options: endpoint)
        #expect(try count("v") == [isDumped ? 0 : 2, 4])
        let service = try CallService.create("c", options: options)
        let server = try service.makeServer(options: endpoint)
        let client = try service.makeClient(slots: 1, options: endpoint)
        #expect(try count("c") == [isDumped ? 0 : 2, 4])
        try publisher.close()
        try subscriber.close()
        try lossy.close()
        writer.close()
        withExtendedLifetime(reader) {}
        server.close()
        withExtendedLifetime(client) {}
    }

    @Test("A consumer maps the data so that a fault of its process can't overwrite it, if that is asked for", arguments: [false, true])
    func readOnly(isReadOnly: Bool) throws {
        let place = Place()
        let options = place.options()
        let endpoint = EndpointOptions(isDataReadOnly: isReadOnly)
        let ring = try MPSCRing.create("r", lanes: 1, options: options)
        var producer = try ring.makeProducer()
        var consumer = try ring.makeConsumer(options: endpoint)
        let spsc = try SPSCRing.create("s", options: options)
        let other = try spsc.makeConsumer(options: endpoint)
        // Of each ring: the producer's lane, twice; the consumer's, twice; and control blocks.
        let isWritable = { (maps: [[Substring]]) in maps.map { $0.contains("wr") } }
        #expect(try isWritable(flags(ofMaps: place.path("r"))).count { !$0 } == (isReadOnly ? 2 : 0))
        #expect(try isWritable(flags(ofMaps: place.path("s"))).count { !$0 } == (isReadOnly ? 2 : 0))
        try producer.send("through")
        #expect(try consumer.receive(timeout: .zero) == Array("through".utf8))
        try producer.close()
        try consumer.close()
        try other.close()
    }

    @Test("A flushed ring outlives a restart, with all it holds")
    func flushed() throws {
        try withDirectory { options in
            let ring = try SPSCRing.create("kept", options: options)
            try sendThree(ring)
            try ring.flush()
            try restart("kept", options)
            let found = try SPSCRing.open("kept", options: options)
            #expect(try receiveAll(found) == ["one", "two", "three"])
        }
    }

    @Test("A task flushes as well, and gets the same") func flushedByTask() async throws {
        let path = NSTemporaryDirectory() + "sharedring-tests-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: path) }
        var options = RingOptions(capacity: 4096)
        options.directory = path
        options.isDurable = true
        let ring = try SPSCRing.create("kept", options: options)
        try sendThree(ring)
        try await ring.flush()
        try restart("kept", options)
        #expect(try receiveAll(try SPSCRing.open("kept", options: options)) == ["one", "two", "three"])
        let many = try MPSCRing.create("many", lanes: 2, options: options)
        try await many.flush()

        let producer = try ring.makeProducer()
        await #expect { try await ring.flush() } throws: { ($0 as? RingError)?.code == .inUse }
        try producer.close()
        await #expect { try await SPSCRing.anonymous().flush() } throws: { ($0 as? RingError)?.code == .invalidOption }
    }

    @Test("One that was used since its flush does not, unless that is asked for")
    func unflushed() throws {
        try withDirectory { options in
            let ring = try SPSCRing.create("lost", options: options)
            try ring.flush()
            try sendThree(ring)
            try restart("lost", options)
            #expect(error { () throws(RingError) in _ = try ring.makeConsumer() } == .notFlushed)
            #expect(error { () throws(RingError) in _ = try ring.makeProducer() } == .notFlushed)

            var asking = options
            asking.acceptsUnflushed = true
            let found = try SPSCRing.open("lost", options: asking)
            #expect(try receiveAll(found) == ["one", "two", "three"])
            // It is of this boot now.
            #expect(error { () throws(RingError) in _ = try ring.makeConsumer() } == nil)
        }
    }

    @Test("One that would be refused after a restart is not flushed either, until it was accepted as it is")
    func flushedAfterRestart() throws {
        try withDirectory { options in
            let ring = try SPSCRing.create("lost", options: options)
            try sendThree(ring)
            try restart("lost", options)
            #expect(error { () throws(RingError) in try ring.flush() } == .notFlushed)
            #expect(error { () throws(RingError) in _ = try ring.makeConsumer() } == .notFlushed)
            var asking = options
            asking.acceptsUnflushed = true
            #expect(try receiveAll(try SPSCRing.open("lost", options: asking)) == ["one", "two", "three"])
            #expect(error { () throws(RingError) in try ring.flush() } == nil)
        }
    }

    @Test("A mark that a killed process had not brought to the disk as cleared is brought there by the next one")
    func halfCleared() throws {
        try withDirectory { options in
            let ring = try SPSCRing.create("half", options: options)
            let place = UInt64(SegmentHeader.pageSize + MemoryLayout<sr_segment_control>.offset(of: \.clean)!)
            func mark() throws -> UInt8 {
                let file = try #require(FileHandle(forReadingAtPath: options.directory + "/half"))
                try file.seek(toOffset: place)
                return try #require(file.read(upToCount: 1)?.first)
            }
            try ring.flush()
            #expect(try mark() == 1)
            let file = try #require(FileHandle(forUpdatingAtPath: options.directory + "/half"))
            try file.seek(toOffset: place)
            file.write(Data([2]))
            try file.close()
            // Not clean for a restart; in this boot it is brought to the disk, and used.
            try sendThree(ring)
            #expect(try mark() == 0)
        }
    }

    @Test("A lossy subscriber leaves the mark alone, and refuses what was in use when the machine went down")
    func observed() throws {
        try withDirectory { options in
            let ring = try BroadcastRing.create("seen", options: options)
            var publisher = try ring.makePublisher()
            try publisher.send("kept")
            try publisher.close()
            try ring.flush()
            for _ in 0..<2 {
                // In the boot of the flush, and in another.
                var subscriber = try BroadcastRing.open("seen", options: options).makeSubscriber(.lossy, from: .oldest)
                #expect(try subscriber.receive(timeout: .zero) == Array("kept".utf8))
                try subscriber.close()
                try restart("seen", options)
            }
            let other = try ring.makePublisher()
            _ = consume other
            try restart("seen", options)
            #expect(error { () throws(RingError) in _ = try ring.makeSubscriber(.lossy) } == .notFlushed)
            #expect(error { () throws(RingError) in _ = try ring.makeSubscriber(.reliable) } == .notFlushed)
        }
    }

    @Test("Flushing wants no process attached, and a ring that was made for it")
    func refused() throws {
        try withDirectory { options in
            let ring = try SPSCRing.create("busy", options: options)
            let producer = try ring.makeProducer()
            #expect(error { () throws(RingError) in try ring.flush() } == .inUse)
            _ = consume producer
            #expect(error { () throws(RingError) in try ring.flush() } == nil)
            #expect(FileManager.default.fileExists(atPath: options.directory + "/busy"))

            var ordinary = options
            ordinary.isDurable = false
            let other = try SPSCRing.create("ordinary", options: ordinary)
            #expect(error { () throws(RingError) in try other.flush() } == .invalidOption)
            #expect(error { () throws(RingError) in try SPSCRing.anonymous().flush() } == .invalidOption)
            #expect(error { () throws(RingError) in _ = try SPSCRing.anonymous(options: options) } == .invalidOption)
        }
    }

    private static var freeHugePages: Int {
        let text = (try? String(contentsOfFile: "/proc/meminfo", encoding: .utf8)) ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix("HugePages_Free:") } ?? ""
        return Int(line.split(separator: " ").last ?? "") ?? 0
    }

    private func hugeOptions() -> RingOptions {
        var options = RingOptions(capacity: 4096)
        options.usesHugePages = true
        return options
    }

    @Test("Messages pass through huge pages", .enabled(if: freeHugePages >= 2, "as root: echo 8 > /proc/sys/vm/nr_hugepages"))
    func huge() throws {
        let unit = Int(sr_huge_page_size())
        let ring = try SPSCRing.anonymous(options: hugeOptions())
        #expect(ring.capacity == unit)
        var producer = try ring.makeProducer()
        var consumer = try ring.makeConsumer()
        // Around its end several times.
        for number in 0..<64 {
            try producer.send([UInt8](repeating: UInt8(number), count: unit / 10))
            let message = try #require(try consumer.receive())
            #expect(message.count == unit / 10 && message.allSatisfy { $0 == UInt8(number) })
        }
    }

    @Test("Where there are no huge pages, that is said", .enabled(if: freeHugePages == 0, "this machine has free huge pages"))
    func noHuge() throws {
        let code = error { () throws(RingError) in _ = try SPSCRing.anonymous(options: hugeOptions()) }
        #expect(code == .outOfSpace || code == .incompatible)
        #expect(error { () throws(RingError) in _ = try SPSCRing.create("named-huge", options: hugeOptions()) } != nil)
    }
}
