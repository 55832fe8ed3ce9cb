import Access
import Cryptography
import Federation
import Gateway
import GradientKernel
import HTTPProbe
import Hosting
import Inference
import Logging
import ModelRegistry
import Observability
import Serving
import Tensors

/// A gateway on loopback with one model, `m`, in two versions: 3 inputs, 2 outputs, weights 0 and a bias that says which.
final class TestGateway: Sendable {
  let host: ModelHost
  let server: HTTPServer
  let registry = MetricsRegistry()
  let files: TestFiles

  init(
    policy: AccessPolicy = AccessPolicy(anonymous: [Scope(.read), Scope(.infer), Scope(.admin)]),
    limits: RateLimits = RateLimits(), http: HTTPLimits = HTTPLimits(), batches: BatchLimits = BatchLimits(),
    threads: Int = 2
  ) async throws {
    let metrics = ServingMetrics(in: registry)
    host = ModelHost(
      options: .init(threads: 2, defaultAliases: [Alias("champion"), .latest].compactMap { $0 }), metrics: metrics)
    files = try TestFiles()
    for number in 1...2 {
      let (manifest, artifact) = try Self.version(UInt64(number))
      let model = try host.load(artifact, manifest: manifest, digest: manifest.modelDigest) {}
      host.add(model)
      host.point(.latest, at: model.name)
    }
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    let gateway = ServingGateway(
      .init(version: "test"), host: host, library: files,
      gate: Gatekeeper(policy, fetch: { _ in [] }), limiter: RateLimiter(limits), metrics: metrics, registry: registry,
      logger: logger)
    var options = HTTPServer.Options(host: "127.0.0.1", port: 0, threads: threads)
    options.limits = http
    options.batches = batches
    server = try await HTTPServer(options, service: gateway, logger: logger)
  }

  deinit {
    let server = server
    Task { await server.stop() }
  }

  /// A connection; the gateway answers as long as there is one.
  func probe() throws -> HTTPProbe {
    let probe = try HTTPProbe(url: server.url)
    probe.companion = self
    return probe
  }

  static func version(_ number: UInt64) throws -> (manifest: Manifest, artifact: ModelArtifact) {
    let text = "features 3 > dense 2 : mean-squared-error"
    let architecture = try ModelArchitecture(parsing: text)
    var set = ParameterSet(zeros: architecture.layout)
    for entry in architecture.layout.entries where entry.name.contains("bias") {
      for index in entry.range { set.values[index] = Float(number) }
    }
    let artifact = try ModelArtifact(tensors: set.tensors, model: "m", version: ModelVersion(number))
    let manifest = Manifest(
      federation: "f", model: "m", version: ModelVersion(number), parent: nil, run: "r", round: 0, attempt: 0,
      aggregation: .plain, configurationDigest: nil, cohortSize: 0, parentMetrics: nil, architecture: text,
      dataScale: 1, modelDigest: artifact.modelDigest, tensors: artifact.manifestTensors,
      file: artifact.manifestFile, createdAt: 1, signer: "c")
    return (manifest, artifact)
  }
}

/// One version as files, in a folder of its own.
final class TestFiles: VersionLibrary {
  let version: LibraryVersion
  let bytes: [UInt8]
  private let root: String

  init() throws {
    root = "/tmp/murmur-gateway-\(SystemSecretSource().bytes(8).map { String($0, radix: 16) }.joined())"
    let (manifest, artifact) = try TestGateway.version(1)
    bytes = artifact.file
    try DurableFile.createDirectory(root)
    for (tensor, record) in zip(artifact.tensors, manifest.tensors) {
      try DurableFile.write(tensor.bytes, to: "\(root)/\(record.digest.hex)")
    }
    version = LibraryVersion(
      digest: manifest.modelDigest, weights: try WeightsFile(manifest, blobs: root),
      documents: [.init(name: "manifest.json", contentType: "application/json", bytes: Array("{}".utf8))])
  }

  deinit { try? DurableFile.remove(root) }

  func listing() -> [LibraryRow] {
    [LibraryRow(model: "m", version: 1, digest: version.digest, aliases: [.latest])]
  }

  func find(_ reference: ModelReference) throws(InferenceError) -> LibraryVersion {
    guard reference.model == "m", reference.selector == .alias(.latest) || reference.selector == .version(1) else {
      throw InferenceError(.notFound, "there is no version '\(reference)'")
    }
    return version
  }
}
