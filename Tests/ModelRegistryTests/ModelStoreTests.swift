import Federation
import Glibc
import SecureAggregation
import Tensors
import Testing

@testable import ModelRegistry

/// A new folder that is removed when the value goes.
final class TemporaryFolder {
  let path: String

  init() throws {
    var template = Array("/tmp/murmur-test-XXXXXX".utf8CString)
    try #require(mkdtemp(&template) != nil)
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  deinit { try? DurableFile.remove(path) }
}

@Suite("Model store")
struct ModelStoreTests {
  enum Kind: CaseIterable { case memory, directory }

  static func store(_ kind: Kind, in folder: TemporaryFolder) throws -> any ModelRegistryStore {
    switch kind {
    case .memory: MemoryModelStore()
    case .directory: try DirectoryModelStore(root: folder.path + "/registry")
    }
  }

  @Test("A published version is found by number, alias and digest, with all its bytes", arguments: Kind.allCases)
  func publishAndFind(_ kind: Kind) throws {
    let folder = try TemporaryFolder()
    let store = try Self.store(kind, in: folder)
    let fixture = try Fixture()
    let first = try fixture.version(0, seed: 1)
    let second = try fixture.version(1, seed: 2)
    try store.publish(first.signed, artifact: first.artifact)
    try store.publish(second.signed, artifact: second.artifact)
    try store.move(try #require(Alias("champion")), of: "digits", to: 0)
    #expect(try store.models() == ["digits"])
    #expect(try store.versions(of: "digits").map(\.manifest.version) == [0, 1])
    #expect(try store.find(ModelReference(parsing: "digits@0")).signed == first.signed)
    #expect(try store.find(ModelReference(parsing: "digits@latest")).signed == second.signed)
    #expect(try store.find(ModelReference(parsing: "digits@champion")).signed == first.signed)
    #expect(try store.find(ModelReference(parsing: "digits@sha256:\(second.signed.digest)")).signed == second.signed)
    #expect(try store.aliases(of: "digits").map(\.alias.text) == ["champion", "latest"])
    let found = try store.find(ModelReference(parsing: "digits@1"))
    #expect(try store.artifact(of: found).file == second.artifact.file)
  }

  @Test("A version is never overwritten with other bytes; the same bytes change nothing", arguments: Kind.allCases)
  func immutable(_ kind: Kind) throws {
    let folder = try TemporaryFolder()
    let store = try Self.store(kind, in: folder)
    let fixture = try Fixture()
    let one = try fixture.version(1, seed: 1)
    let other = try fixture.version(1, seed: 2)
    try store.publish(one.signed, artifact: one.artifact)
    try store.publish(one.signed, artifact: one.artifact)
    #expect(throws: RegistryError.versionTaken("digits", 1, existing: one.signed.digest)) {
      try store.publish(other.signed, artifact: other.artifact)
    }
    #expect(try store.find(ModelReference(parsing: "digits@1")).signed == one.signed)
  }

  @Test("An older version that is published late does not become the latest", arguments: Kind.allCases)
  func lateVersion(_ kind: Kind) throws {
    let folder = try TemporaryFolder()
    let store = try Self.store(kind, in: folder)
    let fixture = try Fixture()
    for number in [2, 1] as [ModelVersion] {
      let version = try fixture.version(number, seed: UInt8(number.value))
      try store.publish(version.signed, artifact: version.artifact)
    }
    #expect(try store.find(ModelReference(parsing: "digits@latest")).manifest.version == 2)
  }

  @Test("A version that was taken back stays, and is never the latest again", arguments: Kind.allCases)
  func takesBack(_ kind: Kind) throws {
    let folder = try TemporaryFolder()
    let store = try Self.store(kind, in: folder)
    let fixture = try Fixture()
    for number in [0, 1, 2] as [ModelVersion] {
      let version = try fixture.version(number, seed: UInt8(number.value))
      try store.publish(version.signed, artifact: version.artifact)
    }
    func latest() throws -> ModelVersion { try store.find(ModelReference(parsing: "digits@latest")).manifest.version }
    try store.takeBack(2, of: "digits", reason: "too\nbad")
    #expect(try latest() == 1)
    #expect(try store.versions(of: "digits").count == 3)
    #expect(try store.find(ModelReference(parsing: "digits@2")).manifest.version == 2)
    try store.takeBack(1, of: "digits", reason: "too")
    #expect(try latest() == 0)
    #expect(try store.takenBack(of: "digits").map(\.version) == [1, 2])
    let third = try fixture.version(3, seed: 3)
    try store.publish(third.signed, artifact: third.artifact)
    #expect(try latest() == 3)
    #expect(throws: RegistryError.self) { try store.takeBack(9, of: "digits", reason: "not there") }
  }

  @Test(
    "Where a process died between a version, or a mark, and the alias, the alias is moved later",
    arguments: Kind.allCases
  )
  func restoresLatest(_ kind: Kind) throws {
    let folder = try TemporaryFolder()
    let store = try Self.store(kind, in: folder)
    let fixture = try Fixture()
    try store.restoreLatest(of: "digits")
    for number in [0, 1] as [ModelVersion] {
      let version = try fixture.version(number, seed: UInt8(number.value))
      try store.publish(version.signed, artifact: version.artifact)
    }
    try store.move(.latest, of: "digits", to: 0)
    try store.restoreLatest(of: "digits")
    #expect(try store.find(ModelReference(parsing: "digits@latest")).manifest.version == 1)
    try store.takeBack(1, of: "digits", reason: "bad")
    try store.move(.latest, of: "digits", to: 1)
    try store.restoreLatest(of: "digits")
    #expect(try store.find(ModelReference(parsing: "digits@latest")).manifest.version == 0)
  }

  @Test("What is not there has a name in the error", arguments: Kind.allCases)
  func unknown(_ kind: Kind) throws {
    let folder = try TemporaryFolder()
    let store = try Self.store(kind, in: folder)
    let fixture = try Fixture()
    #expect(throws: RegistryError.unknownModel("digits")) { try store.find(ModelReference(parsing: "digits@1")) }
    let version = try fixture.version(1, seed: 1)
    try store.publish(version.signed, artifact: version.artifact)
    let missing = try ModelReference(parsing: "digits@2")
    #expect(throws: RegistryError.unknownVersion(missing)) { try store.find(missing) }
    let alias = try ModelReference(parsing: "digits@champion")
    #expect(throws: RegistryError.unknownVersion(alias)) { try store.find(alias) }
    let digest = Digest(unchecked: [UInt8](repeating: 1, count: 32))
    #expect(throws: RegistryError.unknownBlob(digest)) { try store.blob(digest) }
    #expect(throws: RegistryError.self) { try store.move(.latest, of: "digits", to: 7) }
  }

  @Test("A manifest is not published with another version's bytes", arguments: Kind.allCases)
  func mismatch(_ kind: Kind) throws {
    let folder = try TemporaryFolder()
    let store = try Self.store(kind, in: folder)
    let fixture = try Fixture()
    let one = try fixture.version(1, seed: 1)
    let other = try fixture.version(1, seed: 2)
    #expect(throws: RegistryError.self) { try store.publish(one.signed, artifact: other.artifact) }
    #expect(try store.models() == [])
  }

  @Test("A blob with a changed byte is refused by name, and replaced when it is published again")
  func corruptedBlob() throws {
    let folder = try TemporaryFolder()
    let store = try DirectoryModelStore(root: folder.path)
    let fixture = try Fixture()
    let version = try fixture.version(1, seed: 1)
    try store.publish(version.signed, artifact: version.artifact)
    let tensor = version.artifact.manifestTensors[0]
    var bytes = version.artifact.tensors[0].bytes
    bytes[0] ^= 1
    try DurableFile.write(bytes, to: "\(folder.path)/blobs/\(tensor.digest)")
    let error = RegistryError.corruptedBlob(
      tensor.digest, found: .sha256(of: bytes), path: "\(folder.path)/blobs/\(tensor.digest)")
    #expect(throws: error) { try store.blob(tensor.digest) }
    let found = try store.find(ModelReference(parsing: "digits@1"))
    #expect(throws: error) { try store.artifact(of: found) }
    try store.keep(version.artifact.tensors[0].bytes, as: tensor.digest)
    #expect(try store.artifact(of: found).file == version.artifact.file)
  }

  @Test(
    "A manifest or signature that was changed on disk is refused by path", arguments: ["manifest.json", "manifest.sig"])
  func corruptedVersion(_ name: String) throws {
    let folder = try TemporaryFolder()
    let store = try DirectoryModelStore(root: folder.path)
    let fixture = try Fixture()
    let version = try fixture.version(1, seed: 1)
    try store.publish(version.signed, artifact: version.artifact)
    let path = "\(folder.path)/models/digits/versions/1/\(name)"
    try DurableFile.write(Array(DurableFile.read(path, byteCountMax: 1 << 20).dropLast()), to: path)
    let error = #expect(throws: RegistryError.self) { try store.find(ModelReference(parsing: "digits@1")) }
    #expect(error?.description.hasPrefix(path) == true)
  }

  @Test("Another process sees the same registry, and an interrupted publication is not seen at all")
  func reopen() throws {
    let folder = try TemporaryFolder()
    let fixture = try Fixture()
    let version = try fixture.version(1, seed: 1)
    try DirectoryModelStore(root: folder.path).publish(version.signed, artifact: version.artifact)
    // What a publication leaves that dies before its last rename.
    try DurableFile.createDirectory(folder.path + "/models/digits/versions/.2.abc")
    try DurableFile.write([1], to: folder.path + "/models/digits/versions/.2.abc/manifest.json")
    try DurableFile.write([1], to: folder.path + "/blobs/.half")
    let store = try DirectoryModelStore(root: folder.path)
    #expect(try store.versions(of: "digits").map(\.signed) == [version.signed])
    #expect(!DurableFile.exists(folder.path + "/blobs/.half"))
  }
}

@Suite("Durable files")
struct DurableFileTests {
  @Test("A writer that is dropped before its commit leaves nothing")
  func dropped() throws {
    let folder = try TemporaryFolder()
    do {
      var writer = try DurableFileWriter(path: folder.path + "/x")
      try writer.append([1, 2, 3])
    }
    #expect(try DurableFile.names(in: folder.path) == [])
  }

  @Test("A file has its mode, its bytes and no temporary neighbour")
  func written() throws {
    let folder = try TemporaryFolder()
    try DurableFile.write([1, 2, 3], to: folder.path + "/x", mode: 0o600)
    var status = stat()
    #expect(stat(folder.path + "/x", &status) == 0)
    #expect(status.st_mode & 0o777 == 0o600)
    #expect(try DurableFile.read(folder.path + "/x", byteCountMax: 3) == [1, 2, 3])
    #expect(try DurableFile.names(in: folder.path) == ["x"])
  }

  @Test("A file that must be new is not replaced")
  func exclusive() throws {
    let folder = try TemporaryFolder()
    try DurableFile.write([1], to: folder.path + "/x", replacing: false)
    let error = #expect(throws: FileError.self) { try DurableFile.write([2], to: folder.path + "/x", replacing: false) }
    #expect(error?.code == EEXIST)
    #expect(try DurableFile.read(folder.path + "/x", byteCountMax: 1) == [1])
    #expect(try DurableFile.names(in: folder.path) == ["x"])
  }

  @Test("A file above its reader's limit is not read")
  func tooLarge() throws {
    let folder = try TemporaryFolder()
    try DurableFile.write([1, 2, 3], to: folder.path + "/x")
    let error = #expect(throws: FileError.self) { try DurableFile.read(folder.path + "/x", byteCountMax: 2) }
    #expect(error?.code == EFBIG)
  }
}
