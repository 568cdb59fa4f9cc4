import CSharedRing
import Foundation
import SharedRing

extension Conformance {
    /// Broadcasts with room for two subscribers.
    static func goldenBroadcasts(
        in directory: String, _ options: RingOptions
    ) throws(RingError) -> [(name: String, what: String, image: Image, verdict: Verdict)] {
        var golden: [(name: String, what: String, image: Image, verdict: Verdict)] = []
        func add(_ name: String, _ what: String, _ verdict: Verdict) {
            let holders = [publisher(\.producer_holder), slot(0, \.holder), slot(1, \.holder)]
            golden.append((name, what, snapshot(directory + "/" + name, holders: holders), verdict))
        }
        func ring(_ name: String, from position: UInt64? = nil) throws(RingError) -> BroadcastRing {
            let ring = try BroadcastRing.create(name, subscribers: 2, options: options)
            if let position {
                let file = open(directory + "/" + name, O_RDWR)
                defer { close(file) }
                var (tail, limit) = (position, position &+ 16)
                pwrite(file, &tail, 8, off_t(broadcast(\.checkpoints)))
                pwrite(file, &limit, 8, off_t(broadcast(\.checkpoints) + 24))
            }
            return ring
        }

        _ = try ring("broadcast-fresh")
        add("broadcast-fresh", "no process has attached", Verdict("ok", "0 empty", "ok", "sound", "0"))
        for (name, position) in [("broadcast-in-use", nil), ("broadcast-wrapped", UInt64.max - 63)] as [(String, UInt64?)] {
            let ring = try ring(name, from: position)
            var publisher = try ring.makePublisher()
            var first = try ring.makeSubscriber()
            let second = try ring.makeSubscriber()
            for count in [0, 5, 100, 5] { try publisher.send(payload(count), tag: UInt32(count)) }
            _ = first.nextIfAvailable()
            _ = first.nextIfAvailable()
            try first.acknowledge()
            add(
                name,
                "a publisher and two subscribers, of which one has acknowledged two messages"
                    + (position == nil ? "" : "; begun at 2^64 - 64"),
                Verdict("ok", "4 empty", "ok", "sound", "4"))
            withExtendedLifetime(publisher) {}
            withExtendedLifetime(first) {}
            withExtendedLifetime(second) {}
        }
        do {
            let ring = try ring("broadcast-durable")
            var publisher = try ring.makePublisher()
            var durable = try ring.makeSubscriber(.durable, as: "audit")
            for count in [5, 16, 40] { try publisher.send(payload(count)) }
            _ = durable.nextIfAvailable()
            try durable.close()
            add(
                "broadcast-durable", "a publisher, and a durable subscriber that has closed and has acknowledged one message of three",
                Verdict("ok", "3 empty", "ok", "sound", "3"))
            withExtendedLifetime(publisher) {}
        }
        do {
            let ring = try ring("broadcast-closed")
            var publisher = try ring.makePublisher()
            for count in [5, 16] { try publisher.send(payload(count)) }
            try publisher.close()
            add("broadcast-closed", "the publisher closed", Verdict("ok", "2 ended", "ok", "sound", "2"))
        }
        do {
            let ring = try ring("broadcast-cut-off")
            var publisher = try ring.makePublisher()
            for count in [5, 16] { try publisher.send(payload(count)) }
            var claim = try publisher.claim(byteCount: 64)
            do {
                var bytes = claim.bytes
                for index in 0..<64 { bytes.storeBytes(of: 0xEE, toByteOffset: index, as: UInt8.self) }
            }
            add(
                "broadcast-cut-off", "the publisher died after it wrote a payload, before its header",
                Verdict("ok", "2 empty", "ok", "sound", "2"))
            _ = claim.bytes.byteCount  // both live until here
        }
        do {
            let ring = try ring("broadcast-successor")
            do {
                var publisher = try ring.makePublisher()
                try publisher.send(payload(5))
            }
            var publisher = try ring.makePublisher()
            try publisher.send(payload(16))
            try publisher.close()
            add(
                "broadcast-successor", "a publisher died; its successor marked that, sent and closed",
                Verdict("ok", "1 peerDied", "ok", "sound", "2"))
        }
        return golden
    }
}
