import Cryptography
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

  /// Four versions, `champion` at 2 and `first` at 0.
  private func fourVersions(in store: any ModelRegistryStore) throws {
    let fixture = try Fixture()
    for number in [0, 1, 2, 3] as [ModelVersion] {
      let version = try fixture.version(number, seed: UInt8(number.value))
      try store.publish(version.signed, artifact: version.artifact)
    }
    try store.move(try #require(Alias("champion")), of: "digits", to: 2)
    try store.move(try #require(Alias("first")), of: "digits", to: 0)
  }

  private func pointers(_ store: any ModelRegistryStore) throws -> [String: ModelVersion] {
    Dictionary(uniqueKeysWithValues: try store.aliases(of: "digits").map { ($0.alias.text, $0.version) })
  }

  @Test(
    "Aliases of a retired version go to the newest standing version before it, or away; no alias comes back to it",
    arguments: Kind.allCases)
  func retires(_ kind: Kind) throws {
    let folder = try TemporaryFolder()
    let store = try Self.store(kind, in: folder)
    try fourVersions(in: store)
    let (champion, first) = (try #require(Alias("champion")), try #require(Alias("first")))
    try store.takeBack(1, of: "digits", reason: "worse")
    let moved = try store.retire(2, of: "digits", reason: "poi\nsoned\r\n\u{301}x")
    #expect(moved == [AliasMove(model: "digits", alias: champion, from: 2, to: 0)])
    #expect(try pointers(store) == ["champion": 0, "first": 0, "latest": 3])
    let gone = try #require(try store.retired(of: "digits").first)
    #expect(gone.version == 2 && gone.reason == "poi soned  \u{301}x")
    #expect(gone.digest == (try store.find(ModelReference(parsing: "digits@2")).digest))
    #expect(throws: RegistryError.retired(gone)) { try store.move(champion, of: "digits", to: 2) }
    #expect(
      Set(try store.retire(0, of: "digits", reason: "too")) == [
        AliasMove(model: "digits", alias: champion, from: 0, to: nil),
        AliasMove(model: "digits", alias: first, from: 0, to: nil),
      ])
    #expect(try store.retire(3, of: "digits", reason: "all").map(\.to) == [nil])
    #expect(try pointers(store).isEmpty)
    #expect(try store.newestStanding(of: "digits") == nil)
    #expect(try store.retired(of: "digits").map(\.version) == [0, 2, 3])
    #expect(try store.versions(of: "digits").count == 4)
    #expect(throws: RegistryError.self) { try store.retire(9, of: "digits", reason: "not there") }
  }

  @Test(
    "A version that is retired twice keeps its first reason; published again, it gets no alias",
    arguments: Kind.allCases)
  func retiredForGood(_ kind: Kind) throws {
    let folder = try TemporaryFolder()
    let store = try Self.store(kind, in: folder)
    let version = try Fixture().version(0, seed: 1)
    try store.publish(version.signed, artifact: version.artifact)
    _ = try store.retire(0, of: "digits", reason: "first")
    #expect(try store.retire(0, of: "digits", reason: "second") == [])
    #expect(try store.retired(of: "digits").map(\.reason) == ["first"])
    try store.publish(version.signed, artifact: version.artifact)
    #expect(try pointers(store).isEmpty)
  }

  @Test("Where a process died between the mark and the aliases, they are moved later", arguments: Kind.allCases)
  func settlesAliases(_ kind: Kind) throws {
    let folder = try TemporaryFolder()
    let store = try Self.store(kind, in: folder)
    try fourVersions(in: store)
    let digest = try store.find(ModelReference(parsing: "digits@3")).digest
    try store.markRetired(RetiredVersion(model: "digits", version: 3, digest: digest, reason: "bad"))
    #expect(try store.settleAliases(of: "digits") == [AliasMove(model: "digits", alias: .latest, from: 3, to: 2)])
    #expect(try store.settleAliases(of: "digits") == [])
    #expect(try pointers(store)["latest"] == 2)
  }

  @Test("An alias that is taken away is gone; one that is not there may be taken away", arguments: Kind.allCases)
  func removesAlias(_ kind: Kind) throws {
    let folder = try TemporaryFolder()
    let store = try Self.store(kind, in: folder)
    let champion = try #require(Alias("champion"))
    try store.remove(champion, of: "digits")
    try fourVersions(in: store)
    try store.remove(champion, of: "digits")
    try store.remove(champion, of: "digits")
    #expect(try pointers(store) == ["first": 0, "latest": 3])
  }

  @Test("The reason of a retirement is cut at the start of a character")
  func longReason() {
    let long = String(repeating: "é", count: 200)
    let gone = RetiredVersion(
      model: "digits", version: 1, digest: Digest(unchecked: [UInt8](repeating: 0, count: 32)), reason: "x" + long)
    #expect(gone.reason.utf8.count == RetiredVersion.reasonBytesMax - 1)
    #expect(gone.reason == "x" + long.prefix(127))
  }

  @Test("Attachments are kept with their version, also when they come later", arguments: Kind.allCases, [true, false])
  func attachments(_ kind: Kind, _ comeLater: Bool) throws {
    let folder = try TemporaryFolder()
    let store = try Self.store(kind, in: folder)
    let fixture = try Fixture()
    let version = try fixture.version(0, seed: 1)
    let signer = ModelSigner(key: .make(from: SeededSecretSource(seed: [1])), endorsedBy: fixture.coordinator)
    let attachments = try signer.attachments(for: version.signed)
    if comeLater {
      try store.publish(version.signed, artifact: version.artifact)
      #expect(try store.find(ModelReference(parsing: "digits@0")).attachments == nil)
    }
    try store.publish(version.signed, artifact: version.artifact, attachments: attachments)
    #expect(try store.find(ModelReference(parsing: "digits@0")).attachments == attachments)
    // Another signature of the same key says the same: the first stays.
    try store.publish(
      version.signed, artifact: version.artifact, attachments: try signer.attachments(for: version.signed))
    #expect(try store.find(ModelReference(parsing: "digits@0")).attachments == attachments)
  }

  @Test("A version's folder has the model card; a folder that is only read is not changed")
  func readsOnly() throws {
    let folder = try TemporaryFolder()
    let root = folder.path + "/registry"
    #expect(throws: RegistryError.self) { try DirectoryModelStore(reading: root) }
    let store = try DirectoryModelStore(root: root)
    let version = try Fixture().version(0, seed: 1)
    try store.publish(version.signed, artifact: version.artifact)
    let card = try DurableFile.read("\(root)/models/digits/versions/0/README.md", byteCountMax: 1 << 16)
    let manifest = try Manifest(bytes: version.signed.bytes)
    #expect(card == Array(ModelCard.text(of: manifest, digest: version.signed.digest).utf8))
    try DurableFile.write([1], to: root + "/blobs/.unfinished")
    let reader = try DirectoryModelStore(reading: root)
    #expect(try reader.find(ModelReference(parsing: "digits@latest")).signed == version.signed)
    #expect(DurableFile.exists(root + "/blobs/.unfinished"))
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
