// swift-tools-version:6.2
import PackageDescription

/// Every Swift target of the product: Swift 6 language mode (below), all warnings are errors.
let strict: [SwiftSetting] = [
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

/// A check of secure aggregation that this build leaves out on purpose, so that the tests can prove they would notice:
/// `MURMURATION_CANARY=quorum` (`Sources/SecureAggregation/Canary.swift` lists them). Never set in a build that is used.
let canary: [SwiftSetting] = Context.environment["MURMURATION_CANARY"].map { [.define("CANARY_\($0)")] } ?? []

func module(_ name: String, _ dependencies: [Target.Dependency], settings: [SwiftSetting] = []) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: strict + settings)
}

/// Tests that wait for parties, files and messages more than they compute: optimizing them costs more than it saves.
let waiting: Set<String> = [
  "Access", "ClusterConfiguration", "ClusterRuntime", "DataSources", "Gateway", "Hosting", "Observability",
  "Prediction", "Pulling", "WebClient", "murmur",
]

func tests(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
  // What is tested is optimized all the same.
  let settings = waiting.contains(name) ? strict + [.unsafeFlags(["-Onone"])] : strict
  return .testTarget(name: name + "Tests", dependencies: dependencies, exclude: exclude, swiftSettings: settings)
}

/// A product that only a build with `--traits GRPC` has; what needs it stands between `#if GRPC` and `#endif`.
func withGRPC(_ product: String, _ package: String) -> Target.Dependency {
  .product(name: product, package: package, condition: .when(traits: ["GRPC"]))
}

let rpc = [
  withGRPC("GRPCCore", "grpc-swift-2"), withGRPC("GRPCNIOTransportHTTP2Posix", "grpc-swift-nio-transport"),
  withGRPC("GRPCProtobuf", "grpc-swift-protobuf"), withGRPC("SwiftProtobuf", "swift-protobuf"),
]

let package = Package(
  name: "Murmuration",
  platforms: [.macOS(.v15)],
  products: [
    .executable(name: "murmur", targets: ["murmur"])
  ],
  traits: [
    .trait(
      name: "GRPC",
      description: "Serving nodes answer over gRPC too; takes grpc-swift-2, and what it needs.")
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
    .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
    .package(url: "https://github.com/vapor/jwt-kit", from: "5.7.1"),
    // With the trait GRPC only: no other build fetches them.
    .package(url: "https://github.com/apple/swift-nio-http2", from: "1.46.0"),
    .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0", traits: []),
    .package(url: "https://github.com/grpc/grpc-swift-2", from: "2.4.3"),
    .package(url: "https://github.com/grpc/grpc-swift-nio-transport", from: "2.9.2"),
    .package(url: "https://github.com/grpc/grpc-swift-protobuf", from: "2.4.1"),
  ],
  targets: [
    // System libraries and C.
    .systemLibrary(name: "CZeroMQ", providers: [.apt(["libzmq3-dev"])]),
    .systemLibrary(name: "COpenSSL", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CProtobufC", providers: [.apt(["libprotobuf-c-dev"])]),
    .systemLibrary(name: "CZlib", providers: [.apt(["zlib1g-dev"])]),
    .target(name: "CFederationMessages", dependencies: ["CProtobufC"]),
    .target(name: "CKernels"),
    .target(name: "CSecretMemory", dependencies: ["COpenSSL"]),

    // Vocabulary.
    module("Tensors", ["CKernels"]),
    module("Federation", []),
    module("Cryptography", ["COpenSSL", "CSecretMemory"]),

    module("Compression", ["CZlib"]),

    // Algorithms.
    module("SecureAggregation", ["Federation", "Cryptography", "CKernels"], settings: canary),
    module("Aggregation", ["Tensors", "Federation", "CKernels"]),
    module("GradientKernel", ["Tensors", "CKernels"]),
    module("Training", ["GradientKernel", "Federation", "Tensors", "Compression"]),

    // Cores: events in, actions out.
    module("Membership", ["Federation"]),
    module("Transfer", ["Federation"]),
    module("ModelRegistry", ["SecureAggregation", "Federation", "Cryptography", "Tensors"]),
    module(
      "Rounds",
      [
        "Aggregation", "SecureAggregation", "Transfer", "ModelRegistry", "Federation", "Cryptography", "Tensors",
      ]),
    module("Serving", ["ModelRegistry", "Federation"]),

    // What serving nodes say to the world, without sockets.
    module("Inference", []),
    module("Access", ["Federation", "Cryptography", .product(name: "JWTKit", package: "jwt-kit")]),
    module(
      "Observability",
      [.product(name: "Metrics", package: "swift-metrics"), .product(name: "Logging", package: "swift-log")]),
    module(
      "Hosting",
      ["Observability", "Serving", "Inference", "ModelRegistry", "GradientKernel", "Tensors", "Federation"]),
    module(
      "Gateway",
      [
        "Hosting", "Inference", "Access", "Observability", "Serving", "ModelRegistry", "SecureAggregation",
        "Federation", "Compression", .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"), .product(name: "NIOSSL", package: "swift-nio-ssl"),
        .product(name: "Logging", package: "swift-log"),
      ]),
    module(
      "InferenceRPC",
      [
        "Gateway", "Hosting", "Inference", "Access", "Observability", "Federation",
        .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "Logging", package: "swift-log"), withGRPC("NIOHTTP2", "swift-nio-http2"),
        withGRPC("NIOHPACK", "swift-nio-http2"),
      ] + rpc),

    // Edges.
    module(
      "Wire",
      [
        "Rounds", "Serving", "Membership", "Transfer", "ModelRegistry", "SecureAggregation", "Federation",
        "CFederationMessages", "CProtobufC",
      ]),
    module(
      "ClusterConfiguration",
      [
        "Rounds", "Aggregation", "SecureAggregation", "Access", "DataSources", "ModelRegistry", "GradientKernel",
        "Tensors", "Federation", "Cryptography", .product(name: "Yams", package: "Yams"),
      ]),
    module("WebClient", []),
    module("DataSources", ["WebClient", "ModelRegistry", "Cryptography"]),
    module("Prediction", ["WebClient", "Inference", "Training", "GradientKernel", "Tensors"]),
    module("Pulling", ["WebClient", "ModelRegistry", "SecureAggregation", "Federation", "Cryptography"]),
    module("Conformance", ["SecureAggregation", "Federation", "Cryptography"]),
    module("ZeroMQ", ["Federation", "CZeroMQ"], settings: [.enableExperimentalFeature("Lifetimes")]),

    module("Reports", []),

    // Drivers and the program.
    module(
      "ClusterRuntime",
      [
        "Wire", "Rounds", "Aggregation", "Gateway", "InferenceRPC", "Hosting", "Access", "Inference", "Observability",
        "Serving", "Membership", "Transfer", "Pulling", "WebClient", "ModelRegistry", "SecureAggregation", "Training",
        "GradientKernel", "Tensors", "Federation", "Cryptography", "ClusterConfiguration", "ZeroMQ",
        .product(name: "GRDB", package: "GRDB.swift"), .product(name: "Logging", package: "swift-log"),
      ]),
    module(
      "Simulation",
      [
        "Wire", "Rounds", "Aggregation", "Membership", "Transfer", "ModelRegistry", "SecureAggregation", "Training",
        "GradientKernel", "Tensors", "Federation", "Cryptography", "ClusterConfiguration",
      ]),
    .executableTarget(
      name: "murmur",
      dependencies: [
        "ClusterRuntime", "Observability", "Simulation", "Reports", "Training", "DataSources", "Pulling", "WebClient",
        "Conformance", "ClusterConfiguration", "ModelRegistry", "Rounds", "Access", "Prediction",
        "SecureAggregation", "Wire", "GradientKernel", "Tensors", "Federation", "Cryptography",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: strict),

    // Benchmarks.
    .executableTarget(
      name: "murmur-bench",
      dependencies: [
        "ClusterRuntime", "SecureAggregation", "GradientKernel", "ClusterConfiguration", "Simulation", "ZeroMQ", "Wire",
        "ModelRegistry", "Training", "Tensors", "Federation", "Rounds",
        "Cryptography", .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ],
      path: "Benchmarks/murmur-bench", swiftSettings: strict),

    // Tests, one folder per module; and the process that tests look into for secrets.
    .executableTarget(
      name: "SecretProbe", dependencies: ["SecureAggregation", "Federation", "Cryptography"],
      path: "Tests/SecretProbe", swiftSettings: strict),
    .target(name: "CAllocations", path: "Tests/CAllocations"),
    .target(
      name: "NetworkFaults", dependencies: ["ZeroMQ", "Federation"], path: "Tests/NetworkFaults", swiftSettings: strict),
    .target(name: "HTTPProbe", path: "Tests/HTTPProbe", swiftSettings: strict),
    tests("Federation", ["Federation"]),
    tests("Tensors", ["Tensors"]),
    tests("Cryptography", ["Cryptography", "Federation"], exclude: ["Vectors"]),
    tests("Conformance", ["Conformance"]),
    tests(
      "SecureAggregation",
      ["SecureAggregation", "Federation", "Cryptography", "CKernels", "CAllocations", "SecretProbe"]),
    tests("Aggregation", ["Aggregation", "Federation", "CAllocations"]),
    tests("GradientKernel", ["GradientKernel", "CKernels", "Tensors", "CAllocations"], exclude: ["Vectors"]),
    tests("Training", ["Training", "GradientKernel", "Tensors", "Federation"]),
    .target(name: "LoopbackWeb", path: "Tests/LoopbackWeb", swiftSettings: strict),
    tests("DataSources", ["DataSources", "LoopbackWeb", "ModelRegistry", "Cryptography"]),
    tests("WebClient", ["WebClient"]),
    tests(
      "Prediction",
      ["Prediction", "LoopbackWeb", "WebClient", "Inference", "Training", "GradientKernel", "Tensors"]),
    tests(
      "Pulling",
      [
        "Pulling", "WebClient", "LoopbackWeb", "ModelRegistry", "SecureAggregation", "Tensors", "Federation",
        "Cryptography",
      ]),
    tests("Membership", ["Membership", "Federation"]),
    tests("Transfer", ["Transfer", "Federation"]),
    tests(
      "ModelRegistry", ["ModelRegistry", "SecureAggregation", "Tensors", "Federation", "Cryptography"],
      exclude: ["Cards"]),
    tests("Serving", ["Serving", "ModelRegistry", "Tensors", "Federation", "Cryptography"]),
    tests(
      "Wire",
      [
        "Wire", "Rounds", "Serving", "Membership", "Transfer", "ModelRegistry", "SecureAggregation", "Federation",
        "CFederationMessages",
      ]),
    tests(
      "ClusterConfiguration",
      [
        "ClusterConfiguration", "Access", "Aggregation", "ModelRegistry", "SecureAggregation", "GradientKernel",
        "Federation", "Cryptography",
      ]),
    tests("Inference", ["Inference", "Federation"]),
    tests(
      "Access", ["Access", "Federation", "Cryptography", .product(name: "JWTKit", package: "jwt-kit")],
      exclude: ["Vectors"]),
    tests(
      "Observability",
      [
        "Observability", .product(name: "Metrics", package: "swift-metrics"),
        .product(name: "Logging", package: "swift-log"),
      ]),
    tests(
      "Hosting",
      ["Hosting", "Serving", "Inference", "ModelRegistry", "GradientKernel", "Tensors", "Federation", "Cryptography"]),
    tests(
      "Gateway",
      [
        "Gateway", "Hosting", "Inference", "Access", "Observability", "Serving", "ModelRegistry", "GradientKernel",
        "Tensors", "Federation", "Cryptography", "HTTPProbe", .product(name: "Logging", package: "swift-log"),
      ]),
    tests(
      "InferenceRPC",
      [
        "InferenceRPC", "Gateway", "Hosting", "Inference", "Access", "Observability", "Serving", "ModelRegistry",
        "GradientKernel", "Tensors", "Federation", "Cryptography", .product(name: "Logging", package: "swift-log"),
        withGRPC("NIOCore", "swift-nio"), withGRPC("NIOEmbedded", "swift-nio"), withGRPC("NIOHTTP2", "swift-nio-http2"),
        withGRPC("NIOHPACK", "swift-nio-http2"),
      ] + rpc),
    tests("ZeroMQ", ["ZeroMQ"]),
    tests(
      "ClusterRuntime",
      [
        "Aggregation", "ClusterConfiguration", "ClusterRuntime", "Cryptography", "Federation", "GradientKernel",
        "Membership",
        "ModelRegistry", "Observability", "Pulling", "Rounds", "SecureAggregation", "Serving", "Tensors", "Training",
        "Transfer", "Wire", "ZeroMQ", "murmur", "NetworkFaults", "HTTPProbe", "LoopbackWeb", "Access",
        .product(name: "GRDB", package: "GRDB.swift"),
        .product(name: "Logging", package: "swift-log"),
      ]),
    tests(
      "Rounds", ["Aggregation", "Cryptography", "Federation", "Rounds", "SecureAggregation", "Tensors", "Transfer"]),
    tests(
      "Simulation", ["Simulation", "ClusterConfiguration", "Rounds", "SecureAggregation", "Wire", "Federation"]),
    tests(
      "murmur",
      [
        "murmur", "Reports", "ClusterConfiguration", "Pulling", "ModelRegistry", "Training", "GradientKernel",
        "Tensors", "Federation", "Wire",
      ],
      exclude: ["Explanations", "Help"]),
    tests("Reports", ["Reports"]),
    tests("Architecture", []),

    // What peers' bytes may do: entries for libFuzzer (.ci/fuzz), and the tests that replay what it found.
    .target(
      name: "Fuzzing",
      dependencies: [
        "Wire", "Rounds", "Aggregation", "Serving", "Membership", "Transfer", "ModelRegistry", "SecureAggregation",
        "Inference", "ZeroMQ", "Tensors", "Federation", "Cryptography",
      ],
      path: "Tests/Fuzzing/Targets", swiftSettings: strict),
    tests("Fuzzing", ["Fuzzing"]),
  ],
  swiftLanguageModes: [.v6]
)

/// `MURMURATION_FUZZ=1` adds the program for libFuzzer, which links only in a build with `-sanitize=fuzzer` (.ci/fuzz).
if Context.environment["MURMURATION_FUZZ"] != nil {
  package.targets.append(
    .executableTarget(
      name: "murmur-fuzz", dependencies: ["Fuzzing"], path: "Tests/Fuzzing/Program", swiftSettings: strict))
}

/// `MURMURATION_PART=SecureAggregationTests,CryptographyTests` leaves only these targets and what they need in the
/// package: a canary, a sanitizer or a fuzzer then builds in seconds instead of minutes.
if let part = Context.environment["MURMURATION_PART"] {
  var wanted: Set<String> = []
  var packages: Set<String> = []
  var next = part.split(separator: ",").map(String.init)
  while let name = next.popLast() {
    guard wanted.insert(name).inserted, let target = package.targets.first(where: { $0.name == name }) else { continue }
    for case .byNameItem(let dependency, _) in target.dependencies { next.append(dependency) }
    for case .productItem(_, let name?, _, _) in target.dependencies { packages.insert(name) }
  }
  package.targets.removeAll { !wanted.contains($0.name) }
  package.products = []
  package.dependencies.removeAll { dependency in
    guard case .sourceControl(_, let location, _) = dependency.kind else { return false }
    return !packages.contains { location.hasSuffix("/" + $0) }
  }
}
