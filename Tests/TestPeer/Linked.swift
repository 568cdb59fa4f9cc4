import CTestSupport
import Foundation
import SharedRing

/// Both ends of links.
///
///     TestPeer link-echo PATH       says "listening", then sends every client's messages back
///     TestPeer link-talk PATH       says "linked", then sends each line, and says what came back
///     TestPeer link-fork PATH       link-echo, once it has a client and a child that lives on, whose process id it says
///     TestPeer link-move DIR DIR    listens at "service" in the first, closes twice while it works in the second, and says "closed"
///     TestPeer link-poor PATH       connects with one free descriptor, and says the error's code and number
///     TestPeer link-scarce PATH     link-echo without a free descriptor, until a line comes
///     TestPeer link-as USER PATH    listens as that user, and says "listening"
///     TestPeer link-numbers DIR     uses everything that has a descriptor; ends with status 0 if none of its own is below 3
enum Linked {
    static func echo(_ path: String) throws {
        var options = LinkOptions()
        options.ring.capacity = 1 << 16
        options.endpoints.checkInterval = .seconds(600)
        options.handshakeTimeout = .seconds(900)
        let listener = try LinkListener(path: path, options: options)
        say("listening")
        while true {
            let box = Handover(try listener.accept { say("refused \($0.code)") })
            Thread.detachNewThread {
                var link = box.value.take()!
                do {
                    while let message = try link.consumer.receive() { try link.producer.send(message) }
                    try link.close()
                    say("ended")
                } catch {
                    say("error \((error as! RingError).code)")
                }
            }
        }
    }

    static func fork(_ path: String) throws {
        // What other tests left open in the process that started this one.
        for number: Int32 in 3..<1024 { close(number) }
        var options = LinkOptions()
        options.handshakeTimeout = .seconds(900)
        let listener = try LinkListener(path: path, options: options)
        say("listening")
        var link = try listener.accept()
        let ring = try SPSCRing.anonymous()
        var producer = try ring.makeProducer()
        say("\(ts_fork({ _ in Int32(sleep(300)) }, nil))")
        while let message = try link.consumer.receive() { try link.producer.send(message) }
        _ = producer.freeBytes
        try link.close()
        listener.close()
    }

    static func move(_ place: String, to other: String) throws {
        chdir(place)
        let listener = try LinkListener(path: "service")
        chdir(other)
        listener.close()
        try Data("precious".utf8).write(to: URL(fileURLWithPath: place + "/service"))
        listener.close()
        say("closed")
    }

    /// So many more descriptors than are open now, and no others.
    static func allowDescriptors(_ count: Int) {
        var limits = rlimit()
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        getrlimit(resource, &limits)
        // The lowest number that is free: what is opened next would get it.
        let free = dup(0)
        close(free)
        limits.rlim_cur = rlim_t(Int(free) + count)
        setrlimit(resource, &limits)
    }

    static func scarce(_ path: String) throws {
        var options = LinkOptions()
        options.handshakeTimeout = .seconds(900)
        let listener = try LinkListener(path: path, options: options)
        var limits = rlimit()
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        getrlimit(resource, &limits)
        allowDescriptors(0)
        say("listening")
        Thread.detachNewThread { [limits] in
            _ = readLine()
            var limits = limits
            setrlimit(resource, &limits)
        }
        var link = try listener.accept { say("refused \($0.code) \($0.errno ?? 0)") }
        while let message = try link.consumer.receive() { try link.producer.send(message) }
        try link.close()
        say("ended")
    }

    /// It can have its socket.
    static func poor(_ path: String) throws {
        var options = LinkOptions()
        options.handshakeTimeout = .seconds(900)
        allowDescriptors(1)
        do throws(RingError) {
            _ = try Link.connect(path: path, options: options, timeout: patience)
            say("linked")
        } catch {
            say("\(error.code) \(error.errno ?? 0)")
        }
    }

    static func listen(_ path: String, as user: UInt32) throws {
        guard setuid(user) == 0 else { return say("not root") }
        let listener = try LinkListener(path: path)
        say("listening")
        _ = readLine()
        listener.close()
    }

    /// Its standard descriptors are closed: it answers by its status.
    static func numbers(_ directory: String) throws {
        var linking = LinkOptions()
        linking.handshakeTimeout = .seconds(900)
        let listener = try LinkListener(path: directory + "/service", options: linking)
        var options = RingOptions()
        options.directory = directory
        let named = try SPSCRing.create("named", options: options)
        let anonymous = try SPSCRing.anonymous()
        var producer = try named.makeProducer()
        let source = try anonymous.makeConsumer().eventSource()
        let here = Handover(try Link.connect(path: directory + "/service", options: linking, timeout: patience))
        let there = try listener.accept(timeout: patience)
        print("This is not for a ring's header.")
        fflush(nil)
        let report = try RingReport("named", options: options)
        for number: Int32 in 0...2 where fcntl(number, F_GETFD) >= 0 { exit(10 + number) }
        _ = (producer.freeBytes, source.descriptor, there.peer, here.value != nil, report)
        listener.close()
        exit(0)
    }

    static func talk(_ path: String) throws {
        var options = LinkOptions()
        options.endpoints.checkInterval = .seconds(600)
        options.handshakeTimeout = .seconds(900)
        var link = try Link.connect(path: path, options: options, timeout: patience)
        say("linked")
        while let line = readLine() {
            if line == "close" { return try link.close() }
            try link.producer.send(line)
            say(try link.consumer.next(timeout: patience)?.text ?? "(ended)")
        }
    }
}
