import CNATS
import Glibc

/// Publishes messages with libnats alone, by `js_PublishMsgAsync`, with the headers of the bridge: what the bridge is compared with. Prints the
/// messages a second.
struct PublishLoop {
    private let settings: Settings

    init(_ words: [String]) throws { settings = try Settings(words) }

    func run() throws {
        let count = try settings.number("count")
        let size = try settings.number("size", or: 128)
        let subject = try settings.text("subject")
        var connection: OpaquePointer?
        try check(natsConnection_ConnectTo(&connection, try settings.text("server")))
        var jetStream: OpaquePointer?
        var options = jsOptions()
        jsOptions_Init(&options)
        options.PublishAsync.MaxPending = Int64(try settings.number("pending", or: 4096))
        options.PublishAsync.StallWait = 60_000  // the default of 200 ms is too short on a machine that is busy
        try check(natsConnection_JetStream(&jetStream, connection, &options))
        let payload = [CChar](repeating: 46, count: size)
        let instance = "00000000000000000000000000000000:0:"
        var id = Array(instance.utf8CString) + [CChar](repeating: 0, count: 20)
        var previous = id
        var tag = [CChar](repeating: 0, count: 24)
        let start = now()
        for number in 0..<count {
            var message: OpaquePointer?
            try check(natsMsg_Create(&message, subject, nil, payload, Int32(size)))
            if number > 0 {
                write(number, into: &tag, at: 0)
                try check(natsMsgHeader_Set(message, "Ring-Tag", tag))
            }
            var publish = jsPubOptions()
            jsPubOptions_Init(&publish)
            publish.ExpectLastSeq = UInt64(number)
            write(number * 144, into: &id, at: instance.utf8.count)
            try id.withUnsafeBufferPointer { id in
                try previous.withUnsafeBufferPointer { previous in
                    publish.MsgId = id.baseAddress
                    if number > 0 { publish.ExpectLastMsgId = previous.baseAddress }
                    try check(js_PublishMsgAsync(jetStream, &message, &publish))
                }
            }
            swap(&id, &previous)
        }
        try check(js_PublishAsyncComplete(jetStream, nil))
        print("\(Int(Double(count) / (now() - start)))")
    }

    /// A decimal number and a zero, without allocation: the loop is to be as fast as it can be.
    private func write(_ number: Int, into text: inout [CChar], at start: Int) {
        var end = start + 1
        var rest = number / 10
        while rest > 0 {
            end += 1
            rest /= 10
        }
        text[end] = 0
        rest = number
        while end > start {
            end -= 1
            text[end] = CChar(48 + rest % 10)
            rest /= 10
        }
    }

    private func check(_ status: natsStatus) throws {
        guard status == NATS_OK else { throw BridgePeer.Failure(text: String(cString: natsStatus_GetText(status))) }
    }

    private func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }
}
