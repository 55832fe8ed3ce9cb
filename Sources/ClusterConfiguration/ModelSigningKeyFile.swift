import Cryptography
import ModelRegistry

/// The coordinator's key for model signatures, which foreign tools verify: a secret file in its folder, and beside it the
/// public key, for whoever asks.
package enum ModelSigningKeyFile {
  package static let secretName = "model-signing.key"
  package static let publicName = "model-signing.pub.pem"

  /// Reads the key; makes one where there is none, as in the folder of a coordinator of an older version.
  ///
  /// - Throws: `HomeError` for a file that is exposed, or no P-256 key in PKCS #8; and if a new one cannot be written.
  package static func load(directory: String, secrets: any SecretSource) throws(HomeError) -> P256SigningKey {
    let path = directory + "/" + secretName
    guard DurableFile.exists(path) else { return try make(directory: directory, secrets: secrets) }
    let file = try SecretFile(path: path, expected: "a P-256 private key")
    do throws(CryptographyError) {
      return try P256SigningKey(pem: file.bytes)
    } catch {
      throw .badKey(path: path, expected: "a P-256 private key in PKCS #8, as PEM without a password")
    }
  }

  private static func make(directory: String, secrets: any SecretSource) throws(HomeError) -> P256SigningKey {
    let key = P256SigningKey.make(from: secrets)
    try FederationHome.filed { () throws(FileError) in try write(key, directory: directory) }
    return key
  }

  /// The public key first: a folder with the secret has both.
  static func write(_ key: P256SigningKey, directory: String) throws(FileError) {
    try DurableFile.write(Array(key.publicKey.pem.utf8), to: directory + "/" + publicName)
    let text = key.pem.withUnsafeBytes { Array($0) }
    try DurableFile.write(text, to: directory + "/" + secretName, mode: 0o600)
  }
}
