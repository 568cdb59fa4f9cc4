// swift-tools-version: 6.3

import PackageDescription

let strict: [SwiftSetting] = [
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableExperimentalFeature("Lifetimes"),
    .enableExperimentalFeature("RawLayout"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]

/// What a client would compile with: no flag of ours.
let plain: [SwiftSetting] = [
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
]

let package = Package(
    name: "SharedRing",
    products: [
        .library(name: "SharedRing", targets: ["SharedRing"]),
        .executable(name: "sharedring", targets: ["SharedRingTool"]),
        .executable(name: "ringbench", targets: ["ringbench"]),
    ],
    targets: [
        // Not called CAtomics, like its folder: a target of that name collides with other packages in a client's graph.
        .target(name: "CSharedRing", path: "Sources/CAtomics"),
        .target(name: "SharedRing", dependencies: ["CSharedRing"], exclude: ["API.txt"], swiftSettings: strict),
        .executableTarget(name: "SharedRingTool", dependencies: ["SharedRing"], swiftSettings: plain),
        .target(name: "CBench", path: "Benchmarks/CBench"),
        .target(name: "BenchReport", path: "Benchmarks/BenchReport", swiftSettings: plain),
        .executableTarget(
            name: "ringbench", dependencies: ["SharedRing", "CSharedRing", "CBench", "BenchReport"], path: "Benchmarks/ringbench",
            swiftSettings: plain),
        .executableTarget(name: "asyncbench", dependencies: ["SharedRing"], path: "Benchmarks/asyncbench", swiftSettings: plain),

        // What the tests need and Swift forbids: fork.
        .target(name: "CTestSupport", path: "Tests/CTestSupport"),
        // For all test targets: whose turn it is, and child processes.
        .target(name: "TestSupport", dependencies: ["CTestSupport"], path: "Tests/TestSupport", swiftSettings: plain),
        // A process for the multi-process tests to start, stop and kill.
        .executableTarget(
            name: "TestPeer", dependencies: ["SharedRing", "CSharedRing", "CTestSupport"], path: "Tests/TestPeer", swiftSettings: plain),
        // The wire format from C, by the shim's headers alone. It links nothing of ours.
        .executableTarget(name: "CPeer", path: "Examples/CPeer", cSettings: [.headerSearchPath("../../Sources/CAtomics/include")]),
        // A Swift service that a C++ process feeds.
        .executableTarget(
            name: "PriceService", dependencies: ["SharedRing"], path: "Examples/Feed", exclude: ["feed.cpp", "run"], swiftSettings: plain),
        // Death at every instruction: a process that is traced, and the tracer.
        .executableTarget(
            name: "CrashPeer", dependencies: ["SharedRing", "CSharedRing", "CTestSupport"], path: "Tests/CrashPeer", swiftSettings: plain),
        // A fuzzer: strangers that write into the memory of honest ends.
        .executableTarget(
            name: "RingFuzzer", dependencies: ["SharedRing", "CSharedRing", "CTestSupport"], path: "Tests/RingFuzzer", swiftSettings: plain),
        .testTarget(
            name: "SharedRingTests",
            dependencies: ["SharedRing", "CSharedRing", "CTestSupport", "TestSupport", "TestPeer", "CPeer", "CrashPeer"],
            swiftSettings: plain),
        .testTarget(name: "ToolTests", dependencies: ["SharedRingTool", "SharedRing", "TestSupport"], swiftSettings: plain),
        .testTarget(name: "BenchTests", dependencies: ["BenchReport", "ringbench", "TestSupport"], swiftSettings: plain),
    ]
)
