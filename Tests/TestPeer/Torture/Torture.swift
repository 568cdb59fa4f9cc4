import Foundation
import SharedRing

/// Senders and receivers that are killed, stopped and replaced at random, until a given number of messages has passed.
///
///     TestPeer torture [kind=mpsc|spsc] [order=total] [senders=16] [messages=1000000] [kill-receiver=yes] [seed=N] …
///
/// Prints what happened; exits 0 if every message whose send returned arrived, once, whole and in order.
struct Torture {
    private let setup: TortureSetup
    private let ledger: Ledger
    private var random: SplitMix
    private var nextSender: UInt32 = 0
    private var killed = (senders: 0, receivers: 0)
    private var stopped = 0
    private let end: Date

    private struct Child {
        var pid: pid_t
        var sender: UInt32
        var left: UInt64
        /// Whether it is left alone until it has sent something. One that is killed before that has a successor that is: or, where
        /// processes take longer to start than to be killed, this would never be over.
        var isSpared = false
    }

    /// Returns the closing line; throws or exits on a violation.
    static func run(_ words: [String]) throws {
        let setup = TortureSetup(words)
        var torture = Torture(setup)
        say("torture \(setup.words.joined(separator: " "))")
        try torture.run()
    }

    private init(_ setup: TortureSetup) {
        self.setup = setup
        unlink(setup.ledgerPath)  // what a failed run left behind
        unlink(setup.directory + "/" + setup.ring)
        ledger = Ledger(path: setup.ledgerPath)
        random = SplitMix(seed: setup.seed)
        end = Date().addingTimeInterval(setup.seconds)
    }

    private func start(_ words: [String]) -> pid_t {
        let arguments = (["/proc/self/exe"] + words + setup.words + ["parent=\(getpid())"]).map { strdup($0) } + [nil]
        defer { arguments.forEach { free($0) } }
        var pid: pid_t = 0
        guard posix_spawn(&pid, "/proc/self/exe", nil, nil, arguments, environ) == 0 else { fatalError("can't start a process") }
        return pid
    }

    private mutating func startSender(_ count: UInt64, isSpared: Bool = false) -> Child {
        defer { nextSender += 1 }
        guard nextSender < Ledger.senders else { fatalError("more than \(Ledger.senders) senders") }
        return Child(pid: start(["torture-send", "\(nextSender)", "\(count)"]), sender: nextSender, left: count, isSpared: isSpared)
    }

    private func reap(_ pid: pid_t) -> Int32 {
        var status: Int32 = 0
        waitpid(pid, &status, 0)
        return status
    }

    private mutating func run() throws {
        var receiver = start(["torture-receive"])
        var children = (0..<(setup.kind == "mpsc" ? setup.senders : 1)).map { _ in startSender(UInt64(setup.messages)) }
        var receiverStatus: Int32?
        // As `Child.isSpared`; and what receivers had been handed when this one began.
        var isReceiverSpared = false
        var handedOutBefore: UInt64 = 0

        func fail(_ why: String) -> Never {
            say("FAILED: \(why)")
            for child in children { kill(child.pid, SIGKILL) }
            kill(receiver, SIGKILL)
            exit(1)
        }

        while !children.isEmpty {
            usleep(UInt32(500 + random.next() % 6000))
            if Date() > end { fail("not over after \(setup.seconds) s") }

            var status: Int32 = 0
            if waitpid(receiver, &status, WNOHANG) == receiver { fail("the receiver ended with status \(status)") }
            for index in children.indices.reversed() where waitpid(children[index].pid, &status, WNOHANG) == children[index].pid {
                if status != 0 { fail("sender \(children[index].sender) ended with status \(status)") }
                children.remove(at: index)
            }
            guard !children.isEmpty else { break }

            let choice = random.next() % 10
            let victim = Int(random.next() % UInt64(children.count))
            if choice < 6 {
                let child = children[victim]
                if child.isSpared && ledger.sent[child.sender] == 0 { continue }
                kill(child.pid, SIGKILL)
                let status = reap(child.pid)
                killed.senders += 1
                // It may have ended by itself in the same moment.
                let left = child.left - min(child.left, ledger.sent[child.sender])
                if status == 0 || left == 0 {
                    children.remove(at: victim)
                } else {
                    children[victim] = startSender(left, isSpared: ledger.sent[child.sender] == 0)
                }
            } else if choice < 8 {
                kill(children[victim].pid, SIGSTOP)
                usleep(UInt32(random.next() % 3000))
                kill(children[victim].pid, SIGCONT)
                stopped += 1
            } else if setup.killsReceiver {
                let handedOut = (0..<nextSender).reduce(0) { $0 + ledger.handedOut[$1] }
                if isReceiverSpared && handedOut == handedOutBefore { continue }
                isReceiverSpared = handedOut == handedOutBefore
                handedOutBefore = handedOut
                kill(receiver, SIGKILL)
                let status = reap(receiver)
                if status != SIGKILL { fail("the receiver ended with status \(status)") }
                killed.receivers += 1
                receiver = start(["torture-receive"])
            }
        }

        ledger.isOver = true
        while receiverStatus == nil {
            var status: Int32 = 0
            if waitpid(receiver, &status, WNOHANG) == receiver { receiverStatus = status }
            if Date() > end { fail("the receiver has not ended after \(setup.seconds) s") }
            usleep(1000)
        }
        guard receiverStatus == 0 else { fail("the receiver ended with status \(receiverStatus!)") }

        var messages: UInt64 = 0
        for sender in 0..<nextSender {
            // Not what was noted as acknowledged: a receiver may have been killed between the acknowledging and the note. The
            // last receiver found the ring empty, so whatever was handed out was acknowledged, or handed out again to it.
            let (sent, begun, got) = (ledger.sent[sender], ledger.begun[sender], ledger.handedOut[sender])
            if got < sent { fail("sender \(sender): \(sent) sends returned, \(got) messages arrived") }
            if got > begun { fail("sender \(sender): \(begun) sends began, \(got) messages arrived") }
            messages += got
        }
        unlink(setup.ledgerPath)
        try MPSCRing.remove(setup.ring, options: setup.options)
        say(
            "passed: \(messages) messages of \(nextSender) senders, \(killed.senders) senders and \(killed.receivers) receivers killed, \(stopped) stopped; 0 lost, 0 doubled"
        )
    }
}
