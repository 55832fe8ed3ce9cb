import ClusterConfiguration
import Cryptography
import Federation
import Foundation
import GradientKernel
import ModelRegistry
import SecureAggregation
import Tensors
import Training
import ZeroMQ

/// A federation in a folder of its own, with versions in its serving node's folder as if they had been published.
final class ServingHome {
  static let model: ModelName = "bench"

  let root: String
  let architecture: ModelArchitecture
  /// Of the last version's file of tensors.
  private(set) var fileByteCount: UInt64 = 0
  private let coordinator: PartyHome

  init(architecture text: String, versions: Int, in directory: String) throws {
    root = "\(directory)/murmur-serving-\(ProcessInfo.processInfo.processIdentifier)"
    architecture = try ModelArchitecture(parsing: text)
    try? FileManager.default.removeItem(atPath: root)
    let secrets = SystemSecretSource()
    let now = UInt64(Date().timeIntervalSince1970)
    let plan = FederationPlan(federation: "bench", workers: [("worker-1", "org-1")], now: now)
    try FederationHome.initialise(directory: root, plan: plan, secrets: secrets) {
      FederationHome.linkKeyPair(from: secrets)
    }
    coordinator = try PartyHome.load(directory: "\(root)/coordinator", expecting: .coordinator, now: now)
    let store = try DirectoryModelStore(root: "\(root)/serving/models")
    for number in 0..<versions { try publish(UInt64(number), in: store, at: now) }
  }

  deinit { try? FileManager.default.removeItem(atPath: root) }

  var serving: String { "\(root)/serving" }
  var consumer: String { "\(root)/consumer" }

  /// What `serving.yaml` says from now on.
  func configure(_ text: String) throws {
    try text.write(toFile: "\(serving)/serving.yaml", atomically: true, encoding: .utf8)
  }

  /// Alone: what it serves is in its folder.
  func startNode() throws -> ServingNodeProcess {
    try ServingNodeProcess(home: serving, logPath: "\(root)/serving.log")
  }

  private func publish(_ number: UInt64, in store: DirectoryModelStore, at now: UInt64) throws {
    let version = ModelVersion(number)
    let parameters = architecture.initialParameters(seed: number + 1)
    let artifact = try ModelArtifact(tensors: parameters.tensors, model: Self.model, version: version)
    fileByteCount = artifact.manifestFile.byteCount
    let digest = Digest.sha256(of: [UInt8(truncatingIfNeeded: number)])
    let manifest = Manifest(
      federation: "bench", model: Self.model, version: version, parent: number == 0 ? nil : digest, run: "bench",
      round: RoundNumber(number), attempt: 0, aggregation: .plain, configurationDigest: number == 0 ? nil : digest,
      cohortSize: number == 0 ? 0 : 1, parentMetrics: nil, architecture: architecture.description, dataScale: 1,
      modelDigest: artifact.modelDigest, tensors: artifact.manifestTensors, file: artifact.manifestFile,
      createdAt: now, signer: coordinator.name)
    try store.publish(SignedManifest(signing: manifest, key: coordinator.signingKey), artifact: artifact)
  }
}

/// A serving node that runs: what it serves is in its folder, or comes from a coordinator.
final class ServingNodeProcess {
  let process: ChildProcess
  let endpoints: [String: String]

  init(home: String, arguments: [String] = [], logPath: String) throws {
    let path = "\(home)/state/endpoints.yaml"
    process = try ChildProcess(
      ["serve", "--home", home, "--any-port", "--insecure-anonymous"] + arguments, logPath: logPath)
    let end = ContinuousClock.now + .seconds(20)
    while !FileManager.default.fileExists(atPath: path) {
      guard ContinuousClock.now < end else {
        let log = (try? String(contentsOfFile: logPath, encoding: .utf8)) ?? ""
        throw BenchmarkFailure.refused("the serving node does not listen: \(log.suffix(2_000))")
      }
      Thread.sleep(forTimeInterval: 0.05)
    }
    var endpoints: [String: String] = [:]
    for line in try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n") {
      let parts = line.split(separator: ": ", maxSplits: 1)
      if parts.count == 2 { endpoints[String(parts[0])] = parts[1].trimmingCharacters(in: ["\""]) }
    }
    self.endpoints = endpoints
  }
}
