import ClusterConfiguration
import Cryptography
import Glibc
import ModelRegistry
import Testing

@Suite("The coordinator's key for model signatures")
struct ModelSigningKeyFileTests {
  private static func load(_ directory: String) throws -> P256SigningKey {
    try ModelSigningKeyFile.load(directory: directory, secrets: SeededSecretSource(seed: [9]))
  }

  @Test("A new federation's coordinator has one, closed to others, with its public half beside it; nobody else has")
  func made() throws {
    let folder = try TemporaryFolder()
    try FederationHomeTests.initialise(in: folder)
    let root = folder.path + "/federation"
    let secret = root + "/coordinator/" + ModelSigningKeyFile.secretName
    #expect(FederationHomeTests.mode(secret) == 0o600)
    let text = try DurableFile.read(root + "/coordinator/" + ModelSigningKeyFile.publicName, byteCountMax: 4096)
    #expect(try P256PublicKey(pem: text) == Self.load(root + "/coordinator").publicKey)
    for party in ["authority", "worker-1", "serving", "consumer", "operator"] {
      #expect(try !DurableFile.names(in: "\(root)/\(party)").contains { $0.hasPrefix("model-signing") })
    }
  }

  @Test("A folder without one gets one, which is the same ever after")
  func makesOne() throws {
    let folder = try TemporaryFolder()
    let first = try Self.load(folder.path)
    #expect(FederationHomeTests.mode(folder.path + "/" + ModelSigningKeyFile.secretName) == 0o600)
    #expect(
      try ModelSigningKeyFile.load(directory: folder.path, secrets: SystemSecretSource()).publicKey == first.publicKey)
  }

  @Test("A file that others can read, or that is no key, is refused and not replaced")
  func refuses() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/" + ModelSigningKeyFile.secretName
    _ = try Self.load(folder.path)
    chmod(path, 0o640)
    #expect(throws: HomeError.exposedSecret(path: path, mode: 0o640)) { try Self.load(folder.path) }
    try DurableFile.write(Array("no key\n".utf8), to: path, mode: 0o600)
    #expect(throws: HomeError.badKey(path: path, expected: "a P-256 private key in PKCS #8, as PEM without a password"))
    {
      try Self.load(folder.path)
    }
    #expect(try DurableFile.read(path, byteCountMax: 100) == Array("no key\n".utf8))
  }
}
