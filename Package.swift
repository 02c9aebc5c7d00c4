// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0
import PackageDescription

let strict: [SwiftSetting] = [
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

// The C client's (clients/c/Makefile). Not for CBerthSchema and CAgentSchema, which a generator writes: no package that others
// depend on may have flags like these.
let strictC: [CSetting] = [
    .unsafeFlags([
        "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wstrict-prototypes", "-Wmissing-prototypes",
        "-Wvla",
        "-Werror",
    ])
]

// What runs inside a container is one static file: no libraries of the image, no dynamic loader.
let staticSwift: [SwiftSetting] = strict + [.unsafeFlags(["-static-stdlib"])]
let staticLinking: [LinkerSetting] = [.unsafeFlags(["-static-executable"])]

let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nio: [Target.Dependency] = [nioCore, .product(name: "NIOPosix", package: "swift-nio")]
let nioHTTP: Target.Dependency = .product(name: "NIOHTTP1", package: "swift-nio")
let nioEmbedded: Target.Dependency = .product(name: "NIOEmbedded", package: "swift-nio")
let log: Target.Dependency = .product(name: "Logging", package: "swift-log")
let deque: Target.Dependency = .product(name: "DequeModule", package: "swift-collections")
let heap: Target.Dependency = .product(name: "HeapModule", package: "swift-collections")
let yams: Target.Dependency = .product(name: "Yams", package: "Yams")

// What `Tests/Fuzz/run` builds has libFuzzer in place of the tests: the same targets, which it feeds.
let isLibFuzzer = Context.environment["BERTH_LIBFUZZER"] != nil
let fuzzed: [Target.Dependency] =
    ["AgentCore", "AgentLink", "AgentSchema", "CAgent", "CLinux", "Pool", "BerthRPC", "BerthSchema", "BerthWire"] + nio
    + [nioEmbedded]
let fuzz: Target =
    isLibFuzzer
    ? .executableTarget(
        name: "berth-fuzz", dependencies: fuzzed, path: "Tests/Fuzz", exclude: ["Tests", "corpus", "run"],
        sources: ["Targets", "Command"], swiftSettings: strict)
    : .testTarget(
        name: "FuzzTests", dependencies: fuzzed + ["TestSupport"], path: "Tests/Fuzz",
        exclude: ["Command", "corpus", "run"], sources: ["Targets", "Tests"], swiftSettings: strict)

// `make test-clients` has what clients/swift holds as programs beside the rest, and nobody else builds them.
let swiftClient: [Target] =
    Context.environment["BERTH_SWIFT_CLIENT"] == nil
    ? []
    : ["conformance", "readme", "samples/stream", "samples/session", "samples/ten"].map { path in
        .executableTarget(
            name: "swift-" + (path.split(separator: "/").last ?? ""), dependencies: ["Berth"],
            path: "clients/swift/\(path)", swiftSettings: strict)
    }

// `make docs-swift` needs the plugin that makes pages of doc comments; users of the client do not.
let docC: [Package.Dependency] =
    Context.environment["BERTH_DOCC"] == nil
    ? [] : [.package(url: "https://github.com/swiftlang/swift-docc-plugin", from: "1.5.0")]

let package = Package(
    name: "berth",
    products: [
        // Two programs that are one to their users: the small one does what is asked most, and becomes the other for the rest.
        .executable(name: "berth", targets: ["BerthFront"]),
        .executable(name: "berth-full", targets: ["BerthCommand"]),
        .executable(name: "berth-agent", targets: ["berth-agent"]),
        .executable(name: "berth-launcher", targets: ["berth-launcher"]),
        .library(name: "Berth", targets: ["Berth"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ] + docC,
    targets: [
        // C
        .systemLibrary(name: "CBerthProtobufC", pkgConfig: "libprotobuf-c", providers: [.apt(["libprotobuf-c-dev"])]),
        // Headers alone: the library is loaded when it is first wanted, see CCurlLoader.
        .systemLibrary(name: "CCurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .target(name: "CCurlLoader", cSettings: strictC),
        // What Swift cannot say: for both ends of a member's stream, for the agent alone, for the host alone
        .target(name: "CLinux", cSettings: strictC),
        .target(name: "CAgent", dependencies: ["CLinux"], cSettings: strictC),
        .target(name: "CHost", dependencies: ["CLinux"], cSettings: strictC),
        .target(name: "CBerthSchema", dependencies: ["CBerthProtobufC"]),
        .target(name: "CAgentSchema", dependencies: ["CBerthProtobufC"]),

        // The wire
        .target(name: "BerthSchema", dependencies: ["CBerthSchema", "CBerthProtobufC"], swiftSettings: strict),
        // What server and agent say to each other: no part of what clients see
        .target(
            name: "AgentSchema", dependencies: ["BerthSchema", "CAgentSchema", "CBerthProtobufC"], swiftSettings: strict
        ),
        .target(name: "BerthWire", swiftSettings: strict),
        .target(
            name: "BerthRPC",
            dependencies: [
                "BerthWire", "BerthSchema", .product(name: "NIOTLS", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ] + nio, swiftSettings: strict),

        // The pool and what it runs on
        .target(name: "Pool", dependencies: [deque, heap], swiftSettings: strict),
        // Log lines that others can bring about, with a bound
        .target(name: "GatedLog", dependencies: ["Pool", log], swiftSettings: strict),
        // What holds a member, on whatever runtime, and the directories that a server may rely on
        .target(name: "Hardening", dependencies: ["Pool"], swiftSettings: strict),
        // What a server has on its host, whatever the runtime: its directory and lock, and who clears up after it
        .target(
            name: "Housekeeping", dependencies: ["Pool", "Hardening", "FileTree", "CHost", "CLinux"],
            // In the binary: what is installed is one file.
            resources: [.embedInCode("janitor.sh")], swiftSettings: strict),
        .target(name: "CurlHTTP", dependencies: ["CCurl", "CCurlLoader", "CHost"], swiftSettings: strict),
        // What `docker login` and `docker context` leave, for both runtimes
        .target(name: "DockerConfig", dependencies: ["Pool", "Housekeeping", "CHost"], swiftSettings: strict),
        .target(
            name: "Docker",
            dependencies: ["Pool", "Hardening", "GatedLog", "CurlHTTP", "DockerConfig", "FileTree", "CHost", log],
            swiftSettings: strict),
        // Members as pods: more than one machine
        .target(
            name: "Kubernetes",
            dependencies: ["Pool", "Hardening", "CurlHTTP", "CHost", "Digest", log, yams],
            swiftSettings: strict),
        // What the runtimes without a daemon share: cgroups, images, root filesystems
        .target(
            name: "Embedded",
            dependencies: ["Pool", "Hardening", "GatedLog", "Housekeeping", "DockerConfig", "CHost", log],
            swiftSettings: strict),
        .target(
            name: "Runc",
            dependencies: ["Pool", "Hardening", "Embedded", "Housekeeping", "DockerConfig", "CHost", log],
            swiftSettings: strict),
        // Members of our own making: the launcher, what the server says to it, and the server's side
        .target(name: "CLauncher", cSettings: strictC),
        .executableTarget(
            name: "berth-launcher", dependencies: ["CLauncher"], cSettings: strictC,
            // Without Swift's start-up code, which would bring its whole runtime: 0.8 MB instead of 10.
            linkerSettings: staticLinking + [.unsafeFlags(["-nostartfiles"])]),
        .target(
            name: "Native",
            dependencies: ["Pool", "Hardening", "Embedded", "Housekeeping", "DockerConfig", "CHost", "CLauncher", log],
            swiftSettings: strict),

        // Files and tar archives within a directory and never outside of it: of a container, and of who copies to it
        .target(name: "FileTree", dependencies: ["CLinux"], swiftSettings: strict),

        // Inside the container, and the server's end of it
        .target(
            name: "AgentCore",
            dependencies: ["BerthWire", "BerthSchema", "AgentSchema", "CAgent", "CLinux", "Digest", "FileTree"],
            swiftSettings: strict),
        .executableTarget(
            name: "berth-agent", dependencies: ["AgentCore"],
            swiftSettings: staticSwift, linkerSettings: staticLinking),
        .target(
            name: "AgentLink", dependencies: ["Pool", "BerthRPC", "BerthSchema", "AgentSchema", nioCore],
            swiftSettings: strict),

        // How the command line reads and writes, for both of its programs
        .target(name: "Console", dependencies: ["BerthSchema"], swiftSettings: strict),
        // `berth` for the commands that are run often: no Foundation, no event loop, no library to load
        .executableTarget(
            name: "BerthFront", dependencies: ["Console", "BerthSchema", "BerthWire"],
            swiftSettings: staticSwift, linkerSettings: staticLinking),

        // Who calls, and how much they may
        .target(name: "Digest", swiftSettings: strict),
        .target(name: "Access", dependencies: ["Console", "Digest"], swiftSettings: strict),
        // What the server is told, from its file and its flags
        .target(name: "Configuration", dependencies: ["Access", "Console", "Pool", yams], swiftSettings: strict),

        // The service, its client, its command line
        .target(
            name: "Service",
            dependencies: [
                "Access", "Digest", "Pool", "BerthRPC", "BerthSchema", "AgentSchema", "AgentLink", "GatedLog", log,
                nioCore,
            ],
            // In the binary, as the janitor's: they go to an interpreter with its first bytes.
            resources: [
                .embedInCode("Interpreters/context.py"), .embedInCode("Interpreters/context.sh"),
                .embedInCode("Interpreters/context.js"), .embedInCode("Interpreters/zygote.py"),
            ],
            swiftSettings: strict),
        // How a server is, over HTTP
        .target(
            name: "Monitoring",
            dependencies: [
                "Pool", deque, nioHTTP, .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
            ] + nio, resources: [.embedInCode("dashboard.html")], swiftSettings: strict),
        .target(name: "Berth", dependencies: ["BerthRPC", "BerthSchema", deque] + nio, swiftSettings: strict),
        .target(
            name: "LoadTest",
            dependencies: [
                "Berth", "BerthSchema", "CHost", "Console", "CurlHTTP", "Docker", "Hardening", "Pool",
                .product(name: "Histogram", package: "hdrhistogram-swift"),
            ],
            swiftSettings: strict),
        // Tools for language models: what `berth mcp` serves
        .target(name: "ModelTools", dependencies: ["Berth", "BerthSchema", "Console"], swiftSettings: strict),
        .executableTarget(
            name: "BerthCommand",
            dependencies: [
                "Access", "Console", "Configuration", "Service", "Berth", "BerthRPC", "BerthSchema", "LoadTest",
                "ModelTools", "Monitoring", "Pool", "Hardening", "AgentLink", "CurlHTTP",
                "DockerConfig", "Docker", "Embedded", "Kubernetes", "Native", "Runc", "Housekeeping", "FileTree",
                "CHost", "CLinux", log,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ] + nio,
            swiftSettings: strict),

        // Tests
        .target(
            name: "TestSupport",
            dependencies: ["Pool", "CHost", "CLinux", log, nioHTTP] + nio,
            swiftSettings: strict),
        .testTarget(
            name: "BerthSchemaTests", dependencies: ["BerthSchema", "AgentSchema", "TestSupport"], swiftSettings: strict
        ),
        .testTarget(name: "BerthWireTests", dependencies: ["BerthWire", "TestSupport"], swiftSettings: strict),
        .testTarget(
            name: "BerthRPCTests",
            dependencies: ["BerthRPC", "BerthWire", "BerthSchema", "AgentSchema", "TestSupport", nioEmbedded] + nio,
            swiftSettings: strict),
        .testTarget(name: "ConsoleTests", dependencies: ["Console"], swiftSettings: strict),
        .testTarget(name: "AccessTests", dependencies: ["Access", "Digest", "TestSupport"], swiftSettings: strict),
        .testTarget(name: "PoolTests", dependencies: ["Pool", "TestSupport"], swiftSettings: strict),
        // The pool's rules, simulated: `make simulate`. Its tests show that it would notice; see Tests/Simulation.
        .target(name: "SimulationModel", dependencies: ["Pool"], path: "Tests/Simulation/Model", swiftSettings: strict),
        // The whole server above its sockets, in a world of its own: `make simulate TARGET=server`.
        .target(
            name: "ServerSimulation",
            dependencies: [
                "SimulationModel", "Access", "AgentCore", "AgentLink", "AgentSchema", "BerthRPC", "BerthSchema", "Pool",
                "Service", log, nioCore, nioEmbedded, deque,
            ], path: "Tests/Simulation/Server", swiftSettings: strict),
        .executableTarget(
            name: "simulate", dependencies: ["SimulationModel", "ServerSimulation"], path: "Tests/Simulation/Command",
            swiftSettings: strict),
        .testTarget(
            name: "SimulationTests",
            dependencies: ["SimulationModel", "ServerSimulation", "Pool", "TestSupport", deque, heap],
            path: "Tests/Simulation/Tests", swiftSettings: strict),
        .testTarget(
            name: "ConfigurationTests",
            dependencies: ["Access", "Configuration", "Console", "Pool", yams],
            swiftSettings: strict),
        .testTarget(name: "CurlHTTPTests", dependencies: ["CurlHTTP", "TestSupport"], swiftSettings: strict),
        .testTarget(
            name: "DockerTests",
            dependencies: ["Docker", "DockerConfig", "CurlHTTP", "Pool", "AgentLink", "TestSupport", log] + nio,
            swiftSettings: strict),
        .testTarget(
            name: "KubernetesTests",
            dependencies: ["Kubernetes", "CurlHTTP", "Digest", "Pool", "TestSupport", log, nioHTTP] + nio,
            swiftSettings: strict),
        .testTarget(
            name: "RuncTests",
            dependencies: [
                "Runc", "Native", "Embedded", "Housekeeping", "CHost", "CLauncher", "CLinux", "Hardening", "Pool",
                "TestSupport", log,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "AgentCoreTests",
            dependencies: [
                "AgentCore", "BerthWire", "BerthSchema", "AgentSchema", "CAgent", "CLinux", "Digest", "FileTree",
                "ServerSimulation", "SimulationModel", "TestSupport", nioCore,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "ServiceTests",
            dependencies: [
                "Access", "Service", "Berth", "Pool", "BerthRPC", "BerthSchema", "AgentSchema", "AgentLink", "GatedLog",
                "TestSupport", log,
            ] + nio,
            swiftSettings: strict),
        .testTarget(
            name: "MonitoringTests",
            dependencies: ["Monitoring", "Pool", "TestSupport", nioCore], swiftSettings: strict),
        .testTarget(
            name: "BerthTests",
            dependencies: ["Berth", "BerthRPC", "BerthSchema", "TestSupport"] + nio, swiftSettings: strict),
        .testTarget(
            name: "ModelToolsTests", dependencies: ["ModelTools", "Berth", "BerthSchema", "TestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "LoadTestTests",
            dependencies: [
                "LoadTest", "Service", "Berth", "Pool", "BerthRPC", "BerthSchema", "AgentLink", "CurlHTTP", "Docker",
                "Hardening", "TestSupport", log,
            ] + nio,
            swiftSettings: strict),
        .testTarget(
            name: "Integration",
            dependencies: [
                "Berth", "Pool", "BerthRPC", "BerthSchema", "AgentSchema", "AgentLink", "Docker", "Native", "Runc",
                "Housekeeping", "TestSupport", "CHost", log,
            ] + nio,
            exclude: ["Contexts", "Interpreters", "Parity"], swiftSettings: strict),

        fuzz,

        // Benchmarks: `make bench` and `make allocations`
        .target(name: "CAllocations", path: "Benchmarks/CAllocations", cSettings: strictC),
        .target(
            name: "BenchmarkKit", dependencies: ["Pool", "BerthWire", "BerthSchema"], path: "Benchmarks/Kit",
            swiftSettings: strict),
        .executableTarget(
            name: "count-allocations",
            dependencies: [
                "BenchmarkKit", "CAllocations", "Service", "Pool", "BerthRPC", "BerthWire", "BerthSchema", "AgentLink",
                "TestSupport", log,
            ] + nio,
            path: "Benchmarks/Allocations", swiftSettings: strict),
        .executableTarget(
            name: "berth-bench",
            dependencies: ["BenchmarkKit", "Berth", "Pool", "BerthRPC", "BerthWire", "BerthSchema"] + nio,
            path: "Benchmarks/Tool", swiftSettings: strict),
    ] + swiftClient,
    swiftLanguageModes: [.v6]
)
