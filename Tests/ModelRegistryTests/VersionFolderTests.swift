import Cryptography
import Federation
import Foundation
import SecureAggregation
import Tensors
import Testing

@testable import ModelRegistry

@Suite("Version as a folder")
struct VersionFolderTests {
  private static let names = [
    "README.md", "manifest.json", "manifest.sig", "model.safetensors", "model.sig", "signing-key.endorsement",
    "signing-key.pem",
  ]

  /// Writes version 1, with a model signature or without.
  private static func export(to directory: String, isSigned: Bool = true) throws -> VersionFolder {
    let fixture = try Fixture()
    let (signed, artifact) = try fixture.version(1, seed: 4)
    let signer = ModelSigner(key: .make(from: SeededSecretSource(seed: [3])), endorsedBy: fixture.coordinator)
    let store = MemoryModelStore()
    try store.publish(signed, artifact: artifact, attachments: isSigned ? signer.attachments(for: signed) : nil)
    let folder = VersionFolder(try store.find(ModelReference(parsing: "digits@1")), artifact: artifact)
    try folder.write(to: directory)
    return folder
  }

  @Test("A folder has all files of the version, complete or not at all")
  func writes() throws {
    let temporary = try TemporaryFolder()
    let directory = temporary.path + "/digits"
    let folder = try Self.export(to: directory + "/")
    #expect(try DurableFile.names(in: directory) == Self.names)
    for (file, bytes) in folder.files {
      #expect(try DurableFile.read("\(directory)/\(file.name)", byteCountMax: 1 << 20) == bytes)
    }
    #expect(throws: FileError.self) { try folder.write(to: directory) }
    #expect(try DurableFile.names(in: temporary.path) == ["digits"])
  }

  @Test("A version that was published without a model signature has none in its folder")
  func unsigned() throws {
    let temporary = try TemporaryFolder()
    _ = try Self.export(to: temporary.path + "/digits", isSigned: false)
    #expect(try DurableFile.names(in: temporary.path + "/digits") == Array(Self.names.prefix(4)))
  }

  /// `MURMUR_MODEL_SIGNING` names the program of the package `model_signing` from PyPI.
  private static let verifier = ProcessInfo.processInfo.environment["MURMUR_MODEL_SIGNING"]

  /// Damages one file of the folder, or adds one.
  enum Damage: String, CaseIterable { case none, model, manifest, card, added }

  @Test(
    "The verifier of OpenSSF accepts the folder as it is, and refuses a changed or added file",
    .enabled(if: verifier != nil, "skipped: MURMUR_MODEL_SIGNING does not name OpenSSF's program"),
    arguments: Damage.allCases)
  func upstream(_ damage: Damage) throws {
    let temporary = try TemporaryFolder()
    let directory = temporary.path + "/digits"
    _ = try Self.export(to: directory)
    let damaged: [Damage: String] = [
      .model: "model.safetensors", .manifest: "manifest.json", .card: "README.md", .added: "pickle.bin",
    ]
    if let name = damaged[damage] {
      let path = "\(directory)/\(name)"
      let bytes = damage == .added ? [] : try DurableFile.read(path, byteCountMax: 1 << 20)
      try DurableFile.write(bytes + [32], to: path)
    }
    let process = Process()
    process.executableURL = URL(filePath: try #require(Self.verifier))
    process.arguments = [
      "verify", "key", directory, "--signature", directory + "/model.sig", "--public_key",
      directory + "/signing-key.pem",
    ]
    let output = Pipe()
    process.standardOutput = output
    process.standardError = output
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    #expect((process.terminationStatus == 0) == (damage == .none), "\(text)")
  }
}
