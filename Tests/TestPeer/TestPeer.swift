import CTestSupport
import Foundation
import SharedRing

/// A process for the tests to start, stop and kill.
///
///     TestPeer producer|consumer|collector|subscriber NAME [option=value …]    obeys lines on its standard input; see `Session`
///     TestPeer board-writer|board-reader NAME KEY [option=value …]  obeys lines; see `BoardSession`
///     TestPeer call-server|call-client NAME [option=value …]  obeys lines; see `CallSession`
///     TestPeer stream-server|stream-client NAME [option=value …]  obeys lines; see `StreamSession`
///     TestPeer call-torture [name=value …]                   see `CallTorture`
///     TestPeer call-abandon-torture [name=value …]           see `CallAbandon`
///     TestPeer board-torture [name=value …]                  see `BoardTorture`
///     TestPeer soak-send|soak-receive NAME COUNT SEED LARGEST STRATEGY [option=value …]
///     TestPeer wakeups [name=value …]                         see `WakeupSoak`
///     TestPeer churn NAME ROUNDS SEED [option=value …]
///     TestPeer torture [name=value …]                         see `Torture`
///     TestPeer broadcast-torture [name=value …]               see `BroadcastTorture`
///     TestPeer history COUNT                                  total order: four producers with COUNT messages each
///     TestPeer confined CASE DIRECTORY                        see `Confined`
///     TestPeer steady [strace]
///     TestPeer fleet [name=value …]                           see `Fleet`
///     TestPeer pool WAY                                       see `PoolOfOne`
///     TestPeer link-echo|link-talk|… PATH                     see `Linked`
///     TestPeer exchange send|receive|ping|pong NAME SIZE COUNT WAITING    see `Exchange`
///     TestPeer conformance DIRECTORY                          see `Conformance`
///
/// Options: directory, fd, capacity, barrier, check-interval (milliseconds), waiting, acknowledgement, owner (a user id, or "anyone"),
/// lanes (a ring for so many), subscribers (a broadcast for so many), from (now, oldest, or the last so many), lossy (yes), durable (yes), as (a subscriber's name), senders (of a collector), permissions (octal), deny (a system call of `ts_deny`, which is refused from the start), hide (a directory, which is empty).
@main
struct TestPeer {
    static func main() async {
        let arguments = Array(CommandLine.arguments.dropFirst())
        // Whatever happens to the tests, this process ends. (Torture has a bound of its own, which may be long.)
        if arguments.first != "wakeups" {  // which has a bound for each of its runs
            alarm(arguments.first?.contains("torture") == true ? UInt32(TortureSetup(arguments).seconds) + 30 : 600)
        }
        do {
            switch arguments.first {
            case "producer": try Session.producer(Setup(arguments.dropFirst()))
            case "consumer": try Session.consumer(Setup(arguments.dropFirst()))
            case "subscriber": try Session.subscriber(Setup(arguments.dropFirst()))
            case "collector": try Session.collector(Setup(arguments.dropFirst()))
            case "watcher": try Session.watcher(Setup(arguments.dropFirst()))
            case "board-writer": try BoardSession.writer(Setup(arguments.dropFirst()), key: arguments[2])
            case "board-reader": try BoardSession.reader(Setup(arguments.dropFirst()), key: arguments[2])
            case "board-torture", "board-torture-write", "board-torture-read", "board-torture-wait": try BoardTorture.run(arguments)
            case "call-server": try CallSession.server(Setup(arguments.dropFirst()))
            case "call-client": try CallSession.client(Setup(arguments.dropFirst()))
            case "stream-server": try StreamSession.server(Setup(arguments.dropFirst()))
            case "stream-client": try StreamSession.client(Setup(arguments.dropFirst()))
            case "call-torture", "call-torture-client", "call-torture-server": try CallTorture.run(arguments)
            case "call-abandon-torture", "call-abandon-torture-server": try CallAbandon.run(arguments)
            case "soak-send", "soak-receive": try soak(arguments)
            case "wakeups": try WakeupSoak.command(arguments)
            case "churn":
                let setup = Setup(arguments.dropFirst())
                say(try Churn.run(setup.name, options: setup.options, rounds: Int(arguments[2])!, seed: UInt64(arguments[3])!))
            case "torture": try Torture.run(arguments)
            case "torture-send":
                try TortureEnds.send(TortureSetup(arguments), sender: UInt32(arguments[1])!, count: UInt64(arguments[2])!)
            case "broadcast-torture": try BroadcastTorture.run(arguments)
            case "broadcast-torture-publish": try BroadcastTorture.publish(arguments)
            case "broadcast-torture-subscribe": try BroadcastTorture.subscribe(arguments)
            case "torture-receive": try TortureEnds.receive(TortureSetup(arguments))
            case "history": say(try OrderHistory.run(producers: 4, count: Int(arguments[1])!))
            case "confined": try Confined.run(arguments[1], in: arguments[2])
            case "fleet": try await Fleet.run(arguments)
            case "pool": try await PoolOfOne.run(arguments[1])
            case "link-echo": try Linked.echo(arguments[1])
            case "link-talk": try Linked.talk(arguments[1])
            case "link-fork": try Linked.fork(arguments[1])
            case "link-move": try Linked.move(arguments[1], to: arguments[2])
            case "link-poor": try Linked.poor(arguments[1])
            case "link-scarce": try Linked.scarce(arguments[1])
            case "link-as": try Linked.listen(arguments[2], as: UInt32(arguments[1])!)
            case "link-numbers": try Linked.numbers(arguments[1])
            case "exchange": try Exchange.run(arguments)
            case "conformance": try Conformance.make(in: arguments[1])
            case "board-conformance": try BoardConformance.make(in: arguments[1])
            case "call-conformance": try CallConformance.make(in: arguments[1])
            case "steady": try Steady.run(arguments.dropFirst().first ?? "")
            default:
                say("usage: see TestPeer.swift")
                exit(2)
            }
        } catch let error as RingError {
            say("error \(error.code) \(error)")
            exit(1)
        } catch {
            say("error \(error)")
            exit(1)
        }
    }

    static func soak(_ arguments: [String]) throws {
        let setup = Setup(arguments.dropFirst())
        let (count, seed, largest) = (Int(arguments[2])!, UInt64(arguments[3])!, Int(arguments[4])!)
        if arguments[0] == "soak-send" {
            try Soak.send(
                setup.ring().makeProducer(waiting: setup.waiting, options: EndpointOptions(checkInterval: setup.checkInterval)),
                count: count,
                seed: seed, largest: largest)
            say("sent \(count)")
        } else {
            let received = try Soak.receive(
                setup.ring().makeConsumer(waiting: setup.waiting, options: EndpointOptions(checkInterval: setup.checkInterval)), seed: seed,
                largest: largest)
            say("received \(received)")
        }
    }
}

/// What the command line asks for.
struct Setup {
    let name: String
    var options = RingOptions(capacity: 4096)
    var descriptor: Int32?
    /// A ring for many producers, if it is said.
    var lanes: Int?
    /// A broadcast, if it is said.
    var subscribers: Int?
    var from = "now"
    var isLossy = false
    var isDurable = false
    var subscriberName: String?
    var senders = 1
    var checkInterval = Duration.milliseconds(10)
    var waiting = WaitStrategy.adaptive
    var acknowledgement = Acknowledgement.automatic

    init(_ arguments: ArraySlice<String>) {
        name = arguments.first ?? ""
        for argument in arguments.dropFirst() {
            let parts = argument.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2 else { continue }
            switch parts[0] {
            case "directory": options.directory = parts[1]
            case "fd": descriptor = Int32(parts[1])
            case "lanes": lanes = Int(parts[1])!
            case "subscribers": subscribers = Int(parts[1])!
            case "from": from = parts[1]
            case "lossy": isLossy = parts[1] == "yes"
            case "durable": isDurable = parts[1] == "yes"
            case "as": subscriberName = parts[1]
            case "senders": senders = Int(parts[1])!
            case "capacity": options.capacity = Int(parts[1])!
            case "barrier": options.barrier = parts[1] == "symmetric" ? .symmetric : .automatic
            case "check-interval": checkInterval = .milliseconds(Int(parts[1])!)
            case "waiting": waiting = ["spin": .spin, "adaptive": .adaptive, "sleep": .sleep][parts[1]]!
            case "owner": options.allowedOwners = parts[1] == "anyone" ? .anyone : .users([UInt32(parts[1])!])
            case "permissions": options.permissions = UInt32(parts[1], radix: 8)!
            case "deny": deny(parts[1])
            case "hide":
                let error = ts_hide(parts[1])
                if error != 0 { say("error: '\(parts[1])' can't be hidden: errno \(-error)") }
            case "acknowledgement": acknowledgement = parts[1] == "manual" ? .manual : .automatic
            default: break
            }
        }
    }

    func ring() throws(RingError) -> SPSCRing {
        if let descriptor { return try SPSCRing.open(descriptor: descriptor, options: options) }
        return try SPSCRing.openOrCreate(name, options: options)
    }

    func producer() throws(RingError) -> Producer {
        if subscribers != nil {
            return try broadcast().makePublisher(waiting: waiting, options: EndpointOptions(checkInterval: checkInterval))
        }
        guard let lanes else { return try ring().makeProducer(waiting: waiting, options: EndpointOptions(checkInterval: checkInterval)) }
        return try MPSCRing.openOrCreate(name, lanes: lanes, options: options).makeProducer(
            waiting: waiting, options: EndpointOptions(checkInterval: checkInterval))
    }

    func collector() throws(RingError) -> MergingConsumer {
        try MPSCRing.openOrCreate(name, lanes: lanes ?? 1, options: options).makeConsumer(
            ending: .whenAllEnded(atLeast: senders), acknowledgement: acknowledgement, waiting: waiting,
            options: EndpointOptions(checkInterval: checkInterval))
    }
}

/// A sandbox closes in on this process: the call fails from now on.
func deny(_ call: String) {
    // Where a file system has no O_TMPFILE it says so; a filter says EPERM.
    let error = ts_deny(call, call == "O_TMPFILE" ? EOPNOTSUPP : EPERM)
    if error != 0 {
        say("error: '\(call)' can't be denied: errno \(-error)")
        exit(2)
    }
}

/// A line for the process that started this one, at once.
func say(_ line: String) {
    let bytes = Array((line + "\n").utf8)
    _ = write(1, bytes, bytes.count)
}
