// swift-tools-version: 6.3

import PackageDescription

let settings: [SwiftSetting] = [
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

/// What a client would compile with.
let plain: [SwiftSetting] = [
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
]

let ring: Target.Dependency = .product(name: "SharedRing", package: "SharedRing")

// Bridges from rings to engines with clients everywhere. A package of its own: the library depends on nothing.
let package = Package(
    name: "Bridges",
    products: [
        .library(name: "RingBridge", targets: ["RingBridge"]),
        .executable(name: "sharedring-nats", targets: ["SharedRingNATS"]),
    ],
    dependencies: [.package(name: "SharedRing", path: "..")],
    targets: [
        .systemLibrary(name: "CNATS", pkgConfig: "libnats", providers: [.apt(["libnats-dev"])]),
        // The seam, what keeps the promises on this side of it, and its implementation for JetStream.
        .target(name: "RingBridge", dependencies: [ring, "CNATS"], swiftSettings: settings),
        .executableTarget(name: "SharedRingNATS", dependencies: [ring, "RingBridge"], swiftSettings: settings),
        // Brokers on the loopback, and child processes.
        .target(name: "BridgeTestSupport", dependencies: [ring, "RingBridge"], swiftSettings: plain),
        // A sender and a receiver for the tests; the torture; a loop of libnats alone to compare with.
        .executableTarget(name: "BridgePeer", dependencies: [ring, "RingBridge", "BridgeTestSupport", "CNATS"], swiftSettings: plain),
        .testTarget(name: "BridgeTests", dependencies: [ring, "RingBridge", "BridgeTestSupport"], swiftSettings: plain),
    ]
)
