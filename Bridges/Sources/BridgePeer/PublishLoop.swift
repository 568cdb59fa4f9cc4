import CNATS
import Glibc

/// Publishes messages with libnats alone, `js_PublishMsgAsync` and the headers of the bridge: what the bridge is compared with. Prints the messages a
/// second and the processor's seconds.
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
        try check(natsConnection_JetStream(&jetStream, connection, &options))
        let payload = [CChar](repeating: 46, count: size)
        let start = now()
        for number in 0..<count {
            var message: OpaquePointer?
            try check(natsMsg_Create(&message, subject, nil, payload, Int32(size)))
            var publish = jsPubOptions()
            jsPubOptions_Init(&publish)
            publish.ExpectLastSeq = UInt64(number)
            let id = "00000000000000000000000000000000:0:\(number * 144)"
            try id.withCString {
                publish.MsgId = $0
                try check(js_PublishMsgAsync(jetStream, &message, &publish))
            }
        }
        try check(js_PublishAsyncComplete(jetStream, nil))
        let seconds = now() - start
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        let processor =
            Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6
        print("\(count) messages, \(Int(Double(count) / seconds)) a second, \(processor) s of processor time")
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
