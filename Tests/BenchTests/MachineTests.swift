import TestSupport
import Testing

@testable import BenchReport

@Suite("What a machine says of itself", .fewAtATime)
struct MachineTests {
    @Test("Lists of CPUs", arguments: [("0-3,8\n", [0, 1, 2, 3, 8]), ("5", [5]), ("", [])])
    func lists(text: String, cpus: [Int]) { #expect(CPUList.parse(text) == cpus) }

    @Test("What is no list of CPUs", arguments: ["3-1", "a", "1,,2", "-1", "1-2-3", "0-999999999"])
    func noLists(text: String) { #expect(CPUList.parse(text) == nil) }

    @Test("A list is written as the kernel does")
    func listText() { #expect(CPUList.text([8, 0, 1, 2]) == "0-2,8") }

    @Test("The first processor's model and flags")
    func processor() {
        let info = ProcessorInfo(
            "processor\t: 0\nmodel name\t: AMD EPYC\nflags\t\t: fpu constant_tsc nonstop_tsc hypervisor\n\nprocessor\t: 1\nmodel name\t: other\n"
        )
        #expect(info.model == "AMD EPYC")
        #expect(info.isVirtual && info.hasInvariantCounter)
        #expect(!ProcessorInfo("model name\t: x\nflags\t: constant_tsc\n").hasInvariantCounter)
        #expect(ProcessorInfo("").model == "unknown processor")
    }

    /// Two cores of two threads each, 0 and 2, 1 and 3; one more processor, 4, that shares nothing.
    private static let files: [String: String] = {
        var files = [
            "/sys/devices/system/cpu/online": "0-4\n",
            "/proc/self/status": "Name:\tx\nCpus_allowed_list:\t0-3\n",
            "/sys/devices/system/clocksource/clocksource0/current_clocksource": "tsc\n",
            "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave\n",
        ]
        for cpu in 0..<4 {
            let place = "/sys/devices/system/cpu/cpu\(cpu)"
            files["\(place)/topology/thread_siblings_list"] = cpu % 2 == 0 ? "0,2\n" : "1,3\n"
            for (index, cache) in [
                ("1", "Data", "48K", cpu % 2 == 0 ? "0,2" : "1,3"), ("1", "Instruction", "32K", "0-3"), ("3", "Unified", "32768K", "0-3"),
            ]
            .enumerated() {
                files["\(place)/cache/index\(index)/level"] = cache.0 + "\n"
                files["\(place)/cache/index\(index)/type"] = cache.1 + "\n"
                files["\(place)/cache/index\(index)/size"] = cache.2 + "\n"
                files["\(place)/cache/index\(index)/shared_cpu_list"] = cache.3 + "\n"
            }
        }
        return files
    }()
    private let topology = Topology { files[$0] }

    @Test("Threads of a core, and the cache that two CPUs share")
    func sharing() {
        #expect(topology.siblings(of: 0) == [0, 2])
        #expect(topology.coreCount == 3)
        #expect(topology.sharedCache(0, 2)?.level == 1)
        #expect(topology.sharedCache(0, 1)?.level == 3)  // not the instructions'
        #expect(topology.sharedCache(0, 4) == nil)
        #expect(topology.relation(0, 1) == "CPUs 0 and 1 share the L3 (32 MiB); each has 48 KiB L1")
        #expect(topology.relation(0, 2) == "CPUs 0 and 2 are threads of one core and share the L1 (48 KiB)")
        #expect(topology.relation(0, 0) == "both sides on CPU 0")
        #expect(topology.governor(of: 0) == "powersave")
        #expect(topology.governor(of: 1) == nil)
        #expect(topology.clockSource == "tsc")
    }

    @Test("CPUs that are not there or not for us are refused")
    func objections() {
        #expect(topology.objection(to: [0, 3]) == nil)
        #expect(topology.objection(to: [0, 7]) == "there is no CPU 7: online are 0-4")
        #expect(topology.objection(to: [0, 4]) == "this process may not use CPU 4, only 0-3")
    }

    @Test("Without a choice two cores are taken, not two threads of one")
    func defaults() {
        #expect(topology.pair == [0, 1])
        let single = Topology { $0 == "/sys/devices/system/cpu/online" ? "0" : nil }
        #expect(single.pair == nil)
        let threads = Topology { path in
            path.hasSuffix("Cpus_allowed_list") ? nil : path == "/proc/self/status" ? "Cpus_allowed_list: 0,2" : Self.files[path]
        }
        #expect(threads.pair == [0, 2])
    }

    @Test("Others who use the machine are noticed, our own time is not held against us")
    func disturbance() throws {
        let before = try #require(ProcessorTime("cpu  100 0 50 1000 10 0 0 5 0 0\ncpu0 1 1 1\n"))
        let after = try #require(ProcessorTime("cpu  200 0 100 1840 10 0 5 10 0 0\n"))
        #expect((after - before).warnings(own: 1.55, ticksPerSecond: 100) == [])
        #expect(
            (after - before).warnings(own: 0.55, ticksPerSecond: 100)
                == ["others used 10 % of the processors meanwhile: figures may be too bad"])
        #expect(ProcessorTime("intr 1 2 3") == nil)
    }

    @Test("Stolen time is noticed")
    func stolen() throws {
        let before = try #require(ProcessorTime("cpu  0 0 0 0 0 0 0 0 0 0\n"))
        let after = try #require(ProcessorTime("cpu  0 0 0 90 0 0 0 10 0 0\n"))
        #expect((after - before).warnings(own: 0, ticksPerSecond: 100).count == 1)
    }
}
