import ClusterRuntime
import GradientKernel
import ModelRegistry
import Pulling
import Tensors

/// A model's file on disk, and what it computes: given, or from the manifest beside it.
struct StoredModel {
  /// Of the safetensors file.
  let path: String
  let architecture: ModelArchitecture
  /// Every feature is divided by it.
  let scale: Double

  /// - Parameters:
  ///   - model: a safetensors file, or a folder that `murmur pull` wrote.
  ///   - architecture: in place of the manifest's.
  ///   - scale: in place of the manifest's.
  init(_ model: String, architecture: String? = nil, scale: Double? = nil) throws {
    let isFolder = DurableFile.exists("\(model)/\(PulledModel.modelName)")
    let folder = isFolder ? model : DurableFile.parent(of: model)
    path = isFolder ? "\(model)/\(PulledModel.modelName)" : model
    if let architecture {
      guard let parsed = try? ModelArchitecture(parsing: architecture) else {
        throw CommandFailure(
          .usage, "--architecture: found '\(architecture)', expected layers or a preset, as 'murmur inspect' takes them"
        )
      }
      (self.architecture, self.scale) = (parsed, scale ?? 1)
    } else {
      let manifest = try Self.manifest(at: "\(folder)/\(PulledModel.manifestName)")
      (self.architecture, self.scale) = (manifest.architecture, scale ?? manifest.scale)
    }
  }

  private static func manifest(at path: String) throws -> (architecture: ModelArchitecture, scale: Double) {
    guard DurableFile.exists(path) else {
      throw CommandFailure(
        .notFound, "\(path): found no such file, expected the model's manifest; or give --architecture")
    }
    let bytes = try DurableFile.read(path, byteCountMax: Manifest.byteCountMax)
    let manifest: Manifest
    do {
      manifest = try Manifest(bytes: bytes)
    } catch {
      throw CommandFailure(.verificationFailed, "\(path): \(error)")
    }
    guard let parsed = try? ModelArchitecture(parsing: manifest.architecture) else {
      throw CommandFailure(
        .usage, "\(path): found architecture '\(manifest.architecture)', expected layers such as 'mlp 64-128-10'")
    }
    return (parsed, manifest.dataScale)
  }

  func parameters() throws -> ParameterSet {
    let bytes = try DurableFile.read(path, byteCountMax: DirectoryModelStore.blobByteCountMax)
    do {
      return try ParameterSet(Safetensors.decode(bytes).tensors, expecting: architecture.layout)
    } catch TensorError.layoutMismatch(let expected, let found) {
      throw CommandFailure(
        .usage,
        "\(path): found \(found.map { "tensor \($0)" } ?? "no further tensor"), expected "
          + "\(expected.map { "\($0)" } ?? "no further tensor") of '\(architecture)'")
    } catch {
      throw CommandFailure(.verificationFailed, "\(path): not the F32 tensors of a model: \(error)")
    }
  }
}
