import CSharedRing
import CTestSupport
import Foundation
import SharedRing

/// An operation of a client or a server of calls, stepped through one instruction at a time.
enum CallSituation: String, CaseIterable {
    /// A client takes a slot, makes a call, finds no server and withdraws it.
    case withdraw
    /// The same of a request that has an area of its own, with the symmetric barrier.
    case withdrawLarge
    /// A client takes the slot of a dead one, whose call was started by a server that is dead as well, and settles it.
    case settle
    /// A server starts a call and answers it.
    case answer
    case answerLarge
    /// While the client sleeps: the server wakes it.
    case answerAsleep
    /// A server refuses a call.
    case refuse
    /// A server closes with a call started.
    case close
    /// A server takes its place.
    case attachServer
    /// A client takes a slot, asks for a stream, finds no server and withdraws the call.
    case streamOpen
    /// A server opens a stream, sends parts, and ends it.
    case streamSend
    /// A client reads parts, and gives their room back.
    case streamRead
    /// A client reads a part and stops.
    case streamStop

    var name: String { "call/\(rawValue)" }

    var isStream: Bool { rawValue.hasPrefix("stream") }
    var isLarge: Bool { self == .withdrawLarge || self == .answerLarge }
    var byteCount: Int { isLarge ? 300 : 40 }
    static let serviceName = "calls"

    /// Bytes that follow from the word.
    static func payload(_ word: UInt8, _ count: Int) -> [UInt8] { (0..<count).map { word &+ UInt8(truncatingIfNeeded: $0) } }
    /// Three of them, with their headers, fill the lane but for 16 bytes.
    static func part(_ number: Int) -> [UInt8] { payload(UInt8(10 * number), 72) }
    var request: [UInt8] { Self.payload(1, byteCount) }
    var reply: [UInt8] { Self.payload(101, byteCount) }

    func options(_ directory: String) -> RingOptions {
        var options = RingOptions()
        options.directory = directory
        options.barrier = isLarge ? .symmetric : .asymmetric
        return options
    }

    func make(_ name: String, in directory: String) throws(RingError) -> CallService {
        try CallService.create(
            name,
            shape: CallService.Shape(clients: 1, servers: 2, requestCapacity: 512, replyCapacity: 512, streamCapacity: isStream ? 256 : 0),
            options: options(directory))
    }
}

// MARK: - What the dead have left

/// The words of slot 0 of a segment that is mapped beside the library.
struct CallWords {
    let control: UnsafeMutablePointer<sr_call_control>
    let line: UnsafeMutablePointer<sr_call_line>
    let caller: UnsafeMutablePointer<sr_caller_control>
    let areas: UnsafeMutableRawPointer

    init(_ segment: UnsafeMutableRawPointer) {
        let header = segment.assumingMemoryBound(to: sr_header.self)
        control = (segment + Int(header.pointee.control_offset)).assumingMemoryBound(to: sr_call_control.self)
        line = sr_call_line_of(control, 2, 1, 0)
        caller = sr_caller(control, 2, 0)
        areas = segment + Int(header.pointee.data_offset)
    }

    /// As a client leaves it that was killed behind its request.
    func post(_ request: [UInt8], flags: UInt32 = 0) {
        let place = request.count <= Int(SR_CALL_INLINE) ? UnsafeMutableRawPointer(sr_call_message(line)) : areas
        request.withUnsafeBytes { place.copyMemory(from: $0.baseAddress!, byteCount: request.count) }
        sr_call_slots_used(control)[0] = 1
        sr_caller_epoch(caller).pointee = 1
        sr_caller_calls(caller).pointee = 1
        sr_call_request(line).pointee = sr_call_word(1, flags, UInt32(request.count))
    }

    /// The parts that were sent and not acknowledged; nil: the lane holds what no process writes.
    var parts: [[UInt8]]? {
        let lane = sr_stream(control, 2, 1, 0)
        var (position, tail) = (sr_stream_head(lane).pointee, sr_stream_tail(lane).pointee)
        guard tail &- position <= 256 else { return nil }
        let data = areas + 2 * 512
        var parts: [[UInt8]] = []
        while position < tail {
            let header = data.load(fromByteOffset: Int(position % 256), as: UInt64.self)
            let count = Int(sr_stream_header_byte_count(header))
            if sr_stream_header_what(header) == SR_STREAM_LAP {
                position += 256 - position % 256
                continue
            }
            guard sr_stream_header_what(header) == SR_STREAM_PART, count <= 120, Int(position % 256) + 8 + count <= 256 else { return nil }
            parts.append([UInt8](UnsafeRawBufferPointer(start: data + Int(position % 256) + 8, count: count)))
            position += sr_stream_record_size(UInt32(count))
        }
        return position == tail ? parts : nil
    }

    /// As a server leaves it that was killed behind its claim.
    func start() {
        sr_server_epoch(sr_server(control, 0)).pointee = 1
        sr_caller_claim(caller).pointee = sr_call_claim_word(1, sr_call_starter(0, 1))
    }

    var requestNumber: UInt32 { sr_call_number(sr_call_request(line).pointee) }
    var isClaimed: Bool { sr_call_number(sr_caller_claim(caller).pointee) == requestNumber }
    var isWithdrawn: Bool { isClaimed && UInt32(truncatingIfNeeded: sr_caller_claim(caller).pointee) == 0 }
    var isSettled: Bool { sr_call_number(sr_call_reply(line).pointee) == requestNumber }
    var how: UInt32 { sr_call_how(sr_call_reply(line).pointee) }

    var replyBytes: [UInt8] {
        let count = Int(sr_call_byte_count(sr_call_reply(line).pointee))
        let place = count <= Int(SR_CALL_INLINE) ? UnsafeRawPointer(sr_call_message(line)) : UnsafeRawPointer(areas + 512)
        return [UInt8](UnsafeRawBufferPointer(start: place, count: count))
    }
}

// MARK: - The traced process

extension CallSituation {
    /// Prepares what the operation begins with. (The traced process's own dry run begins with the same.)
    func prepare(_ segment: UnsafeMutableRawPointer) {
        let words = CallWords(segment)
        switch self {
        case .withdraw, .withdrawLarge, .answerAsleep, .streamOpen, .streamRead, .streamStop: break
        case .streamSend: words.post(request, flags: SR_CALL_STREAMS)
        case .settle:
            words.post(request)
            words.start()
        case .answer, .answerLarge, .refuse, .close, .attachServer: words.post(request)
        }
    }

    /// Does the operation between two marks, having done it twice before in other segments.
    func runTraced(in directory: String) throws {
        let scratch = CrashPeer.scratch(directory)
        for round in 0..<2 {
            let service = try make("warm\(round)", in: scratch)
            var facts = stat()
            stat(scratch + "/warm\(round)", &facts)
            let segment = ts_map_file(scratch + "/warm\(round)", UInt64(facts.st_size), 0)!
            if self == .answerAsleep { CallWords(segment).post(request) } else { prepare(segment) }
            munmap(segment, Int(facts.st_size))
            try operate(service, marks: false)
        }
        try operate(try CallService.open(Self.serviceName, options: options(directory)), marks: true)
    }

    private func operate(_ service: CallService, marks: Bool) throws {
        func mark() { if marks { ts_mark() } }
        switch self {
        case .withdraw, .withdrawLarge:
            mark()
            let client = try service.makeClient(slots: 1, waiting: .sleep)
            _ = try? client.call(request, timeout: .zero)
            mark()
        case .settle:
            mark()
            let client = try service.makeClient(slots: 1, waiting: .sleep)
            mark()
            withExtendedLifetime(client) {}
        case .answer, .answerLarge, .answerAsleep, .refuse:
            var server = try service.makeServer(waiting: .sleep)
            mark()
            let call = try server.next()
            if self == .refuse { try call.refuse(reply) } else { try call.reply(reply) }
            mark()
            server.close()
        case .close:
            var server = try service.makeServer(waiting: .sleep)
            let call = try server.next()
            mark()
            server.close()
            mark()
            withExtendedLifetime(call) {}
        case .streamOpen:
            mark()
            let client = try service.makeClient(slots: 1, waiting: .sleep)
            var stream = try client.stream(request, timeout: .zero)
            _ = try? stream.next()
            mark()
        case .streamSend:
            var server = try service.makeServer(waiting: .sleep)
            mark()
            var writer = try server.next().stream()
            for number in 0..<3 { _ = try writer.trySend(Self.part(number)) }
            try writer.finish(reply)
            mark()
            server.close()
        case .streamRead, .streamStop:
            var server = try service.makeServer(waiting: .sleep)
            let client = try service.makeClient(slots: 1, waiting: .sleep)
            var stream = try client.stream(request)
            var writer = try server.next().stream()
            for number in 0..<3 { _ = try writer.trySend(Self.part(number)) }
            mark()
            _ = try stream.next()
            if self == .streamRead {
                _ = try stream.next()
                _ = try stream.nextIfAvailable()
                _ = try stream.nextIfAvailable()
            } else {
                stream.stop()
            }
            mark()
            try writer.finish(reply)
            server.close()
        case .attachServer:
            mark()
            let server = try service.makeServer(waiting: .sleep)
            mark()
            server.close()
        }
    }
}
