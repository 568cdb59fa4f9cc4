// swift-tools-version: 6.3

import PackageDescription

let settings: [SwiftSetting] = [
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
]

let ring: Target.Dependency = .product(name: "SharedRing", package: "SharedRing")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let lifecycle: Target.Dependency = .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")

// Here, and only here, other packages appear: the library itself depends on none.
let package = Package(
    name: "Examples",
    dependencies: [
        .package(name: "SharedRing", path: ".."),
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.80.0"),
        .package(url: "https://github.com/apple/swift-log.git", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-metrics.git", from: "2.5.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.6.0"),
    ],
    targets: [
        // Adapters: a ring's consumer as a service, its counts as metrics, a ring as the place that logs go to.
        .target(
            name: "RingServices",
            dependencies: [ring, logging, lifecycle, .product(name: "Metrics", package: "swift-metrics")], swiftSettings: settings),
        // A SwiftNIO service that is fed by a ring, and its feeder.
        .executableTarget(
            name: "Answers",
            dependencies: [
                ring, logging, lifecycle, "RingServices",
                .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
            ], swiftSettings: settings),
        // A key-value service, behind calls and behind a Unix socket with SwiftNIO, and what a request takes of each.
        .executableTarget(
            name: "KeyValue",
            dependencies: [ring, .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio")],
            swiftSettings: settings),
        // Many processes log, one writes the file.
        .executableTarget(name: "LogCollector", dependencies: [ring, logging, lifecycle, "RingServices"], swiftSettings: settings),
        .testTarget(
            name: "ExampleTests",
            dependencies: [
                ring, "RingServices", "Answers", "KeyValue", "LogCollector", .product(name: "MetricsTestKit", package: "swift-metrics"),
                .product(name: "ServiceLifecycleTestKit", package: "swift-service-lifecycle"),
            ],
            swiftSettings: settings),
    ]
)
