import ClusterConfiguration
import Cryptography
import Federation
import Glibc
import ModelRegistry
import Testing

@Suite("Folders of a federation's parties")
struct FederationHomeTests {
  static let now: UInt64 = 1_800_000_000

  static func plan(workers: Int = 3) -> FederationPlan {
    FederationPlan(
      federation: "test",
      workers: (1...workers).map { (WorkerID(unchecked: "worker-\($0)"), OrganisationID(unchecked: "org-\($0)")) },
      now: now)
  }

  /// Initialises a federation in `folder/federation`.
  @discardableResult
  static func initialise(in folder: TemporaryFolder, seed: UInt8 = 1) throws -> FederationFile {
    let secrets = SeededSecretSource(seed: [seed])
    return try FederationHome.initialise(directory: folder.path + "/federation", plan: plan(), secrets: secrets) {
      FederationHome.linkKeyPair(from: secrets)
    }
  }

  static func mode(_ path: String) -> UInt32 {
    var status = stat()
    return stat(path, &status) == 0 ? status.st_mode & 0o777 : 0
  }

  @Test("Every party gets a folder of its own with its own secrets and nobody else's")
  func folders() throws {
    let folder = try TemporaryFolder()
    try Self.initialise(in: folder)
    let root = folder.path + "/federation"
    let parties = ["consumer", "coordinator", "operator", "serving", "worker-1", "worker-2", "worker-3"]
    #expect(try DurableFile.names(in: root) == (parties + ["authority"]).sorted())
    #expect(try DurableFile.names(in: folder.path) == ["federation"])
    #expect(try DurableFile.names(in: root + "/authority") == ["federation", "signing.key"])
    #expect(Self.mode(root) == 0o700)
    var secrets: Set<[UInt8]> = []
    for party in parties {
      #expect(Self.mode("\(root)/\(party)") == 0o700)
      #expect(Self.mode("\(root)/\(party)/signing.key") == 0o600)
      #expect(Self.mode("\(root)/\(party)/curve.key_secret") == 0o600)
      #expect(Self.mode("\(root)/\(party)/curve.key") == 0o644)
      #expect(Self.mode("\(root)/\(party)/federation") == 0o644)
      secrets.insert(try DurableFile.read("\(root)/\(party)/signing.key", byteCountMax: 1000))
    }
    #expect(secrets.count == parties.count)
  }

  @Test(
    "A party's folder loads for its role, with keys that fit its certificate",
    arguments: [
      ("coordinator", Role.coordinator), ("worker-2", .worker), ("serving", .servingNode), ("consumer", .consumer),
      ("operator", .operator),
    ])
  func loads(_ name: String, _ role: Role) throws {
    let folder = try TemporaryFolder()
    let file = try Self.initialise(in: folder)
    let home = try PartyHome.load(directory: "\(folder.path)/federation/\(name)", expecting: role, now: Self.now)
    #expect(home.name == WorkerID(name))
    #expect(home.federation == file)
    #expect(home.signingKey.publicKey == home.certificate.certificate.signingKey.bytes)
    #expect(X25519.publicKey(of: home.linkSecret) == home.linkPublicKey.bytes)
  }

  @Test("The configuration files in new folders are read without a complaint")
  func templates() throws {
    let folder = try TemporaryFolder()
    try Self.initialise(in: folder)
    let root = folder.path + "/federation"
    #expect(try CoordinatorConfiguration.load(path: root + "/coordinator/coordinator.yaml").uploadsAtOnce == 16)
    #expect(try WorkerConfiguration.load(path: root + "/worker-1/worker.yaml").policy == .standard)
    #expect(
      try WorkerConfiguration.load(path: root + "/worker-1/worker.yaml").examples.path == root + "/worker-1/data.csv")
    #expect(try ServingConfiguration.load(path: root + "/serving/serving.yaml").bindPull == nil)
    #expect(try RunConfiguration.load(path: root + "/operator/run.yaml").name == "digits")
    #expect(try AuthorityHome.load(directory: root + "/authority").federation.membership.members.count == 7)
  }

  @Test("An existing federation is never overwritten, and nothing half-written stays")
  func refusesToOverwrite() throws {
    let folder = try TemporaryFolder()
    try Self.initialise(in: folder)
    let before = try DurableFile.read(folder.path + "/federation/coordinator/signing.key", byteCountMax: 1000)
    #expect(throws: HomeError.exists(folder.path + "/federation")) { try Self.initialise(in: folder, seed: 2) }
    #expect(try DurableFile.read(folder.path + "/federation/coordinator/signing.key", byteCountMax: 1000) == before)
    #expect(try DurableFile.names(in: folder.path) == ["federation"])
  }

  @Test("An empty folder becomes the federation's")
  func emptyFolder() throws {
    let folder = try TemporaryFolder()
    try DurableFile.createDirectory(folder.path + "/federation")
    try Self.initialise(in: folder)
    #expect(DurableFile.exists(folder.path + "/federation/worker-3/worker.yaml"))
  }

  /// One thing done to the folder of worker-1, and what loading it then says.
  struct Damage: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let apply: @Sendable (_ root: String) throws -> Void
    let says: @Sendable (_ home: String) -> String
  }

  static let damages = [
    Damage(testDescription: "secret readable by the group") { root in
      chmod(root + "/worker-1/signing.key", 0o640)
    } says: { home in
      "\(home)/signing.key: found mode 0640, expected 0600 for a secret; type: chmod 600 \(home)/signing.key"
    },
    Damage(testDescription: "link secret readable by others") { root in
      chmod(root + "/worker-1/curve.key_secret", 0o604)
    } says: { home in
      "\(home)/curve.key_secret: found mode 0604, expected 0600 for a secret; type: chmod 600 \(home)/curve.key_secret"
    },
    Damage(testDescription: "missing signing key") { root in
      try DurableFile.remove(root + "/worker-1/signing.key")
    } says: { home in
      "\(home)/signing.key: found no such file, expected an Ed25519 secret key"
    },
    Damage(testDescription: "missing federation file") { root in
      try DurableFile.remove(root + "/worker-1/federation")
    } says: { home in
      "\(home)/federation: found no such file, expected the public file of a federation"
    },
    Damage(testDescription: "another worker's signing key") { root in
      try DurableFile.rename(root + "/worker-2/signing.key", to: root + "/worker-1/signing.key")
    } says: { home in
      "\(home)/signing.key: found another key, expected the secret key of 'worker-1''s certificate"
    },
    Damage(testDescription: "another worker's link key") { root in
      try DurableFile.rename(root + "/worker-2/curve.key_secret", to: root + "/worker-1/curve.key_secret")
    } says: { home in
      "\(home)/curve.key_secret: found another key, expected the secret key of 'worker-1''s certificate"
    },
    Damage(testDescription: "signing key cut short") { root in
      try DurableFile.write(Array("abcd\n".utf8), to: root + "/worker-1/signing.key", mode: 0o600)
    } says: { home in
      "\(home)/signing.key: found something else, expected 64 hexadecimal digits and a line feed"
    },
    Damage(testDescription: "the coordinator's folder") { root in
      try DurableFile.remove(root + "/worker-1")
      try DurableFile.rename(root + "/coordinator", to: root + "/worker-1")
    } says: { home in
      "\(home): found the folder of a coordinator, expected that of a worker"
    },
    Damage(testDescription: "certificate with another's signature") { root in
      let text = try ConfigurationFile(path: root + "/worker-1/certificate", expected: "").text
      let other = try ConfigurationFile(path: root + "/worker-2/certificate", expected: "").text
      let mine = try #require(text.split(separator: "\n").last)
      let theirs = try #require(other.split(separator: "\n").last)
      try DurableFile.write(Array(text.replacing(mine, with: theirs).utf8), to: root + "/worker-1/certificate")
    } says: { home in
      "\(home)/certificate: found a certificate of 'worker-1' without the authority's signature, expected it signed"
    },
  ]

  @Test("A damaged folder is refused with one line that names the file", arguments: damages)
  func refuses(_ damage: Damage) throws {
    let folder = try TemporaryFolder()
    try Self.initialise(in: folder)
    let root = folder.path + "/federation"
    try damage.apply(root)
    let error = try #require(throws: HomeError.self) {
      try PartyHome.load(directory: root + "/worker-1", expecting: .worker, now: Self.now)
    }
    #expect(error.description == damage.says(root + "/worker-1"))
  }

  @Test("A folder of another federation's authority is refused")
  func foreignAuthority() throws {
    let (one, two) = (try TemporaryFolder(), try TemporaryFolder())
    try Self.initialise(in: one, seed: 1)
    try Self.initialise(in: two, seed: 2)
    let home = one.path + "/federation/worker-1"
    try DurableFile.rename(two.path + "/federation/worker-1/federation", to: home + "/federation")
    #expect(throws: HomeError.certificateNotSigned("worker-1", path: home + "/certificate")) {
      try PartyHome.load(directory: home, expecting: .worker, now: Self.now)
    }
  }

  @Test(
    "A certificate is good from its first second to before its last",
    arguments: [
      (now - 3601, false), (now - 3600, true), (now + 365 * 24 * 3600 - 1, true), (now + 365 * 24 * 3600, false),
    ])
  func validity(_ time: UInt64, _ isValid: Bool) throws {
    let folder = try TemporaryFolder()
    try Self.initialise(in: folder)
    let home = try? PartyHome.load(directory: folder.path + "/federation/worker-1", expecting: .worker, now: time)
    #expect((home != nil) == isValid)
  }

  @Test("A coordinator finds the authority's and the workers' secrets beside its folder, and no others")
  func foreignSecrets() throws {
    let folder = try TemporaryFolder()
    try Self.initialise(in: folder)
    let root = folder.path + "/federation"
    var expected = ["\(root)/authority/signing.key"]
    for i in 1...3 { expected += ["\(root)/worker-\(i)/signing.key", "\(root)/worker-\(i)/curve.key_secret"] }
    #expect(PartyHome.foreignSecrets(near: root + "/coordinator") == expected)
    try DurableFile.createDirectory(folder.path + "/alone")
    try DurableFile.rename(root + "/coordinator", to: folder.path + "/alone/coordinator")
    #expect(PartyHome.foreignSecrets(near: folder.path + "/alone/coordinator").isEmpty)
  }

  @Test("New addresses reach every folder and leave the members as they were")
  func replaceEndpoints() throws {
    let folder = try TemporaryFolder()
    let before = try Self.initialise(in: folder)
    let root = folder.path + "/federation"
    try FederationHome.replaceEndpoints(directory: root, with: Endpoints(host: "localhost", firstPort: 9000))
    for name in try DurableFile.names(in: root) {
      let file = try FederationFile.load(path: "\(root)/\(name)/federation")
      #expect(file.endpoints.pull == "tcp://localhost:9004")
      #expect(file.membership == before.membership)
    }
  }

  @Test("Z85 writes the specification's example and refuses what is not Z85")
  func z85() {
    #expect(Z85.encode([0x86, 0x4F, 0xD2, 0x6F, 0xB5, 0x59, 0xF7, 0x5B]) == "HelloWorld")
    #expect(Z85.decode("HelloWorld") == [0x86, 0x4F, 0xD2, 0x6F, 0xB5, 0x59, 0xF7, 0x5B])
    #expect(Z85.decode("Hello\"orld") == nil)
    #expect(Z85.decode("Hell") == nil)
    #expect(Z85.decode("#####") == nil)  // 85^5 − 1 > 2^32 − 1.
    #expect(Z85.decode("%nSc0") == [0xFF, 0xFF, 0xFF, 0xFF])
  }
}
