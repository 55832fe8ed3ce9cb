import ClusterConfiguration
import Federation
import Foundation
import GradientKernel
import ModelRegistry
import Tensors
import Testing
import Training

/// `verify` and `evaluate` on a signed version of zero-shot quality.
@Suite struct ModelFileTests {
  /// A federation's folder with a version that its coordinator signed in `model`.
  private static func prepare(_ workspace: Workspace) async throws -> (home: String, model: String) {
    let home = try await workspace.makeFederation()
    let now = UInt64(Date().timeIntervalSince1970)
    let coordinator = try PartyHome.load(directory: home + "/coordinator", expecting: .coordinator, now: now)
    let architecture = try ModelArchitecture(parsing: "mlp 64-32-10")
    let artifact = try ModelArtifact(
      tensors: architecture.initialParameters(seed: 1).tensors, model: "digits", version: 0)
    let manifest = Manifest(
      federation: coordinator.membership.federation, model: "digits", version: 0, parent: nil, run: "digits", round: 0,
      attempt: 0, aggregation: .secure, configurationDigest: nil, cohortSize: 0, parentMetrics: nil,
      architecture: "\(architecture)", dataScale: 16, modelDigest: artifact.modelDigest,
      tensors: artifact.manifestTensors, file: artifact.manifestFile, createdAt: now, signer: coordinator.name)
    let signed = try SignedManifest(signing: manifest, key: coordinator.signingKey)
    let model = workspace.path + "/model"
    try DurableFile.createDirectory(model)
    try DurableFile.write(artifact.file, to: model + "/model.safetensors")
    try DurableFile.write(signed.bytes, to: model + "/manifest.json")
    try DurableFile.write(Array("\(signed.signature.hex)\n".utf8), to: model + "/manifest.sig")
    return (home, model)
  }

  @Test("A signed version verifies off line")
  func verifies() async throws {
    let workspace = try Workspace()
    let (home, model) = try await Self.prepare(workspace)
    let result = try await Program.run("verify", model, "--home", home + "/consumer", "--json")
    #expect(result.code == 0, "\(result)")
    let object = try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any]
    #expect(object?["model"] as? String == "digits@0")
    #expect(object?["signer"] as? String == "coordinator")
  }

  @Test(
    "One flipped bit in any of its files ends verification with 5",
    arguments: [
      "model.safetensors", "manifest.json", "manifest.sig",
    ])
  func flippedBit(file: String) async throws {
    let workspace = try Workspace()
    let (home, model) = try await Self.prepare(workspace)
    let path = "\(model)/\(file)"
    var bytes = try #require(FileManager.default.contents(atPath: path))
    bytes[bytes.count - 2] ^= 1
    try bytes.write(to: URL(filePath: path))
    let result = try await Program.run("verify", model, "--home", home + "/consumer")
    #expect(result.code == 5, "\(result)")
    #expect(result.complaints.count == 1)
    #expect(result.error.contains(model))
  }

  @Test("A version of another federation ends verification with 5")
  func otherFederation() async throws {
    let workspace = try Workspace()
    let (_, model) = try await Self.prepare(workspace)
    let other = try Workspace()
    let home = try await other.makeFederation()
    let result = try await Program.run("verify", model, "--home", home + "/consumer")
    #expect(result.code == 5, "\(result)")
  }

  @Test("A pulled folder's layers are those of its manifest")
  func inspected() async throws {
    let workspace = try Workspace()
    let (_, model) = try await Self.prepare(workspace)
    for path in [model, model + "/manifest.json"] {
      let result = try await Program.run("inspect", path)
      #expect(result.code == 0, "\(result)")
      #expect(result.output.hasPrefix("model  mlp 64-32-10\n"))
    }
  }

  @Test("Accuracy is computed from the file and the data alone")
  func evaluates() async throws {
    let workspace = try Workspace()
    let (_, model) = try await Self.prepare(workspace)
    let result = try await Program.run("evaluate", model + "/model.safetensors", Program.digits, "--json")
    #expect(result.code == 0, "\(result)")
    let object = try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any]
    #expect(object?["examples"] as? Int == 1797)
    let architecture = try ModelArchitecture(parsing: "mlp 64-32-10")
    let examples = try CSVDataset.load(path: Program.digits, divisor: 16)
    let metrics = try LocalTrainer(architecture, training: examples, holdOut: examples).evaluate(
      architecture.initialParameters(seed: 1))
    #expect(object?["correct"] as? Int == Int(metrics.correct))
  }

  @Test("Data of another shape than the model's is refused with both shapes")
  func otherShape() async throws {
    let workspace = try Workspace()
    let (_, model) = try await Self.prepare(workspace)
    let data = try workspace.file("narrow.csv", "a,b,label\n1,2,0\n")
    let result = try await Program.run("evaluate", model, data)
    #expect(result.code == 2, "\(result)")
    #expect(result.error.contains("narrow.csv: found 2 features, expected 64 features"))
    let other = try await Program.run(
      "evaluate", model + "/model.safetensors", Program.digits, "--architecture", "mlp 64-16-10", "--scale", "16")
    #expect(other.code == 2, "\(other)")
    #expect(other.error.contains("model.safetensors: found tensor layer0.bias[32], expected layer0.bias[16]"))
  }
}
