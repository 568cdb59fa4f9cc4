// swift-tools-version: 6.3

import PackageDescription

let strict: [SwiftSetting] = [
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableExperimentalFeature("Lifetimes"),
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
        .library(name: "SharedRing", targets: ["SharedRing"])
    ],
    targets: [
        // Not called CAtomics, like its folder: a target of that name collides with other packages in a client's graph.
        .target(name: "CSharedRing", path: "Sources/CAtomics"),
        .target(name: "SharedRing", dependencies: ["CSharedRing"], swiftSettings: strict),
    ]
)
