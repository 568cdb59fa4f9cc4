/// What a figure depends on and does not show.
package struct MachineFacts: Equatable, Sendable {
    package struct Fact: Equatable, Sendable {
        package var key: String
        package var value: String
    }

    package var processor: String
    /// "2 CPUs, 2 cores".
    package var processors: String
    /// What the CPUs of the run have in common.
    package var caches: String
    package var governor: String
    package var virtualisation: String
    package var kernel: String
    package var swift: String
    package var clock: String

    package init(
        processor: String, processors: String, caches: String, governor: String, virtualisation: String, kernel: String, swift: String,
        clock: String
    ) {
        self.processor = processor
        self.processors = processors
        self.caches = caches
        self.governor = governor
        self.virtualisation = virtualisation
        self.kernel = kernel
        self.swift = swift
        self.clock = clock
    }

    package var facts: [Fact] {
        [
            Fact(key: "processor", value: processor), Fact(key: "processors", value: processors), Fact(key: "caches", value: caches),
            Fact(key: "governor", value: governor), Fact(key: "virtualisation", value: virtualisation), Fact(key: "kernel", value: kernel),
            Fact(key: "swift", value: swift), Fact(key: "clock", value: clock),
        ]
    }

    var json: String {
        var object = JSONWriter()
        for fact in facts { object.add(fact.key, fact.value) }
        return object.text
    }

    init(_ members: JSONMembers) throws(ResultsError) {
        self.init(
            processor: try members.string("processor"), processors: try members.string("processors"),
            caches: try members.string("caches"), governor: try members.string("governor"),
            virtualisation: try members.string("virtualisation"), kernel: try members.string("kernel"), swift: try members.string("swift"),
            clock: try members.string("clock"))
    }

    /// Where two machines differ: "kernel: 6.1 and 6.18".
    package func differences(from other: MachineFacts) -> [String] {
        zip(facts, other.facts).filter { $0 != $1 }.map { "\($0.key): \($0.value) | \($1.value)" }
    }
}
