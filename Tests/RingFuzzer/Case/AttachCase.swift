import CSharedRing
import SharedRing

/// One ring that an untrusted peer has written into, and endpoints that attach to it and go on, while the untrusted peer does too.
struct AttachCase {
    private let victim: Victim
    private let untrusted: UntrustedPeer
    private let tally: Tally
    private let isVerbose: Bool
    private var choices: Choices
    private let inspector: Inspector?

    init(_ victims: [Victim], _ choices: Choices, tally: Tally, isVerbose: Bool = false) {
        self.choices = choices
        victim = victims[self.choices.below(victims.count)]
        untrusted = UntrustedPeer(victim: victim, tally: tally, isVerbose: isVerbose)
        self.tally = tally
        self.isVerbose = isVerbose
        inspector = Inspector(victim, tally: tally, isVerbose: isVerbose, disturb: untrusted.mutate)
    }

    static func victims() throws(RingError) -> [Victim] {
        TestDirectory.make()
        return [
            try Victim(lanes: 0, isTotallyOrdered: false, alignment: 8, isSymmetric: false),
            try Victim(lanes: 0, isTotallyOrdered: false, alignment: 64, isSymmetric: true),
            try Victim(lanes: 3, isTotallyOrdered: false, alignment: 8, isSymmetric: false),
            try Victim(lanes: 3, isTotallyOrdered: true, alignment: 8, isSymmetric: false),
            try Victim(lanes: 2, isTotallyOrdered: true, alignment: 128, isSymmetric: true),
            try Victim(lanes: 0, isTotallyOrdered: false, alignment: 8, isSymmetric: false, name: "one"),
            try Victim(lanes: 3, isTotallyOrdered: false, alignment: 8, isSymmetric: false, name: "many"),
            try Victim(lanes: 2, isTotallyOrdered: true, alignment: 64, isSymmetric: false, name: "total"),
        ]
    }

    mutating func run() {
        victim.restore(choices.below(victim.stateCount))
        for _ in 0...choices.below(4) { untrusted.mutate(&choices) }
        inspector?.act(&choices)
        let isMerging = victim.isMerging != choices.once(in: 64)
        do throws(RingError) {
            if isMerging {
                try play(victim.openMPSC())
            } else {
                try play(victim.openSPSC())
            }
        } catch {
            if isVerbose { say("  \(error)") }
            tally.add(.refused)
        }
        // Last, so that older inputs of the fuzzer mean what they meant.
        if choices.once(in: 8) { Endless(victim: victim, isVerbose: isVerbose).run(&choices) }
        tally.add(.cases)
    }

    /// The untrusted peer writes, and an inspector may see it.
    private mutating func disturb() {
        untrusted.mutate(&choices)
        if let inspector, choices.once(in: 3) { inspector.act(&choices) }
    }

    // MARK: Roles

    private mutating func waiting() -> WaitStrategy { [.spin, .adaptive, .sleep][choices.below(3)] }
    private mutating func checkInterval() -> Duration { choices.once(in: 2) ? .microseconds(1) : .milliseconds(100) }
    private mutating func acknowledgement() -> Acknowledgement { choices.once(in: 3) ? .manual : .automatic }
    private mutating func steps() -> Int { 8 + choices.below(40) }

    private func seated<End: ~Copyable>(_ make: () throws(RingError) -> End) -> End? {
        do throws(RingError) {
            let end = try make()
            tally.add(.attached)
            return end
        } catch {
            if isVerbose { say("  \(error)") }
            tally.add(.turnedAway)
            return nil
        }
    }

    private mutating func producer(_ make: (WaitStrategy, Duration) throws(RingError) -> Producer) -> Producer? {
        let (waiting, checkInterval) = (waiting(), checkInterval())
        return seated { () throws(RingError) in try make(waiting, checkInterval) }
    }

    /// Something that a producer does, or one that attaches if there is none.
    private mutating func actOrAttach(
        _ place: inout Producer?, _ actions: Actions, _ make: (WaitStrategy, Duration) throws(RingError) -> Producer
    ) {
        if var end = place.take() {
            actions.act(&end, &choices)
            place = consume end
        } else {
            place = producer(make)
        }
    }

    private mutating func play(_ ring: SPSCRing) throws(RingError) {
        tally.add(.opened)
        let actions = Actions(tally: tally, disturb: untrusted.mutate)
        var first: Producer?
        var consumer: Consumer?
        for step in 0..<steps() where !choices.isExhausted {
            switch choices.below(step < 2 ? 2 : 16) {
            case 0:
                actOrAttach(&first, actions) { (waiting, checkInterval) throws(RingError) in
                    try ring.makeProducer(waiting: waiting, options: EndpointOptions(checkInterval: checkInterval))
                }
            case 1:
                if var end = consumer.take() {
                    actions.act(&end, &choices)
                    consumer = consume end
                } else {
                    let (acknowledgement, waiting, checkInterval) = (acknowledgement(), waiting(), checkInterval())
                    consumer = seated { () throws(RingError) in
                        try ring.makeConsumer(
                            acknowledgement: acknowledgement, waiting: waiting, options: EndpointOptions(checkInterval: checkInterval))
                    }
                }
            case 2...6: disturb()
            case 7...10: if first != nil { actions.act(&first!, &choices) }
            case 11...14: if consumer != nil { actions.act(&consumer!, &choices) }
            default: leave(&first, &consumer, actions)
            }
        }
    }

    private mutating func play(_ ring: MPSCRing) throws(RingError) {
        tally.add(.opened)
        let actions = Actions(tally: tally, disturb: untrusted.mutate)
        var first: Producer?
        var second: Producer?
        var consumer: MergingConsumer?
        for step in 0..<steps() where !choices.isExhausted {
            switch choices.below(step < 3 ? 3 : 18) {
            case 0:
                actOrAttach(&first, actions) { (waiting, checkInterval) throws(RingError) in
                    try ring.makeProducer(waiting: waiting, options: EndpointOptions(checkInterval: checkInterval))
                }
            case 1:
                actOrAttach(&second, actions) { (waiting, checkInterval) throws(RingError) in
                    try ring.makeProducer(waiting: waiting, options: EndpointOptions(checkInterval: checkInterval))
                }
            case 2:
                if var end = consumer.take() {
                    actions.act(&end, &choices)
                    consumer = consume end
                } else {
                    let ending: MergingConsumer.Ending = choices.once(in: 2) ? .whenAllEnded(atLeast: choices.below(3)) : .never
                    let budget = 1 + choices.below(300)
                    let (acknowledgement, waiting, checkInterval) = (acknowledgement(), waiting(), checkInterval())
                    consumer = seated { () throws(RingError) in
                        try ring.makeConsumer(
                            ending: ending, acknowledgement: acknowledgement, waiting: waiting,
                            options: EndpointOptions(checkInterval: checkInterval, budget: budget))
                    }
                }
            case 3...7: disturb()
            case 8...10: if first != nil { actions.act(&first!, &choices) }
            case 11, 12: if second != nil { actions.act(&second!, &choices) }
            case 13...16: if consumer != nil { actions.act(&consumer!, &choices) }
            default: leave(&first, &consumer, actions)
            }
        }
    }

    // MARK: Leaving

    private mutating func leave(_ producer: inout Producer?, _ consumer: inout Consumer?, _ actions: Actions) {
        if choices.once(in: 2) { return leave(&producer, actions) }
        guard let end = consumer.take(), choices.once(in: 2) else { return }
        do throws(RingError) { try end.close() } catch { actions.failed(error) }
    }

    private mutating func leave(_ producer: inout Producer?, _ consumer: inout MergingConsumer?, _ actions: Actions) {
        if choices.once(in: 2) { return leave(&producer, actions) }
        guard let end = consumer.take(), choices.once(in: 2) else { return }
        do throws(RingError) { try end.close() } catch { actions.failed(error) }
    }

    private mutating func leave(_ producer: inout Producer?, _ actions: Actions) {
        guard let end = producer.take(), choices.once(in: 2) else { return }
        do throws(RingError) { try end.close() } catch { actions.failed(error) }
    }
}
