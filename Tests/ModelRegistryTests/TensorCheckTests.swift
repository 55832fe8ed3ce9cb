import Federation
import Foundation
import SecureAggregation
import Tensors
import Testing

@testable import ModelRegistry

/// A file on disk is judged as its bytes in memory are.
@Suite("Tensors of a file, by pieces")
struct TensorCheckTests {
  private static func verdict(_ manifest: Manifest, _ file: [UInt8]) throws -> VerificationError? {
    let path = NSTemporaryDirectory() + "murmur-tensors-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: path) }
    try Data(file).write(to: URL(filePath: path))
    do throws(TensorCheckFault) {
      try TensorCheck(manifest, path: path).run()
      return nil
    } catch {
      guard case .wrong(let error) = error else { throw error }
      return error
    }
  }

  private static func verdictInMemory(_ manifest: Manifest, _ file: [UInt8]) -> VerificationError? {
    do throws(VerificationError) {
      _ = try manifest.verify(file: file)
      return nil
    } catch {
      return error
    }
  }

  @Test("What a manifest says of a file decides the same, whoever reads the file", arguments: 0..<7)
  func judges(_ change: Int) throws {
    let artifact = try Fixture.artifact(3, seed: 7), other = try Fixture.artifact(3, seed: 8)
    var manifest = Fixture.manifest(3, of: artifact), file = artifact.file
    switch change {
    case 0: break
    case 1: manifest.modelDigest = other.modelDigest
    case 2: manifest.tensors[1].digest = other.manifestTensors[1].digest
    case 3: manifest.tensors.removeLast()
    case 4: manifest.tensors[0].shape = [3, 2].prefix(manifest.tensors[0].shape.count).map { $0 }
    case 5: manifest.tensors[0].name = "layer9.bias"
    // A file that is none, under a manifest that states it.
    default:
      file = [UInt8](repeating: 0x20, count: 64)
      manifest.file = .init(digest: .sha256(of: file), byteCount: 64)
    }
    let found = try Self.verdict(manifest, file)
    #expect((found == nil) == (change == 0))
    #expect(found == Self.verdictInMemory(manifest, file))
  }

  @Test("Pieces cover a file of many of them, and a byte anywhere is noticed")
  func pieces() throws {
    let tensors = [
      NamedTensor(
        name: "b", dtype: .u8, shape: [3 << 20], bytes: (0..<3 << 20).map { UInt8(truncatingIfNeeded: $0 / 7) }),
      NamedTensor(name: "a", dtype: .f32, shape: [5], bytes: [UInt8](repeating: 3, count: 20)),
    ]
    let artifact = try ModelArtifact(tensors: tensors, model: "digits", version: 3)
    let manifest = Fixture.manifest(3, of: artifact)
    #expect(try Self.verdict(manifest, artifact.file) == nil)
    for position in [artifact.file.count - 1, artifact.file.count - (2 << 20)] {
      var file = artifact.file
      file[position] ^= 1
      guard case .tensorDigest("b", _, _)? = try Self.verdict(manifest, file) else {
        Issue.record("a byte at \(position) goes unnoticed")
        continue
      }
    }
  }

  @Test("A file that is shorter than the manifest says is an error with its path")
  func short() throws {
    let artifact = try Fixture.artifact(3, seed: 7)
    let manifest = Fixture.manifest(3, of: artifact)
    let path = NSTemporaryDirectory() + "murmur-tensors-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: path) }
    try Data(artifact.file.dropLast()).write(to: URL(filePath: path))
    let fault = #expect(throws: TensorCheckFault.self) { try TensorCheck(manifest, path: path).run() }
    guard case .file(let error)? = fault else {
      Issue.record("found \(String(describing: fault)), expected an error of the file")
      return
    }
    #expect(error.path == path && error.code == EIO)
  }
}
