import Cryptography
import Federation

extension Digest {
  package static func sha256(of bytes: [UInt8]) -> Digest { Digest(unchecked: SHA256.hash(bytes)) }
}

extension SigningKey {
  package var signingPublicKey: SigningPublicKey { SigningPublicKey(unchecked: publicKey) }

  /// The Ed25519 signature over the string itself.
  package func signature(over string: [UInt8]) -> Signature { Signature(unchecked: sign(string)) }
}

extension Signature {
  package func isValid(over string: [UInt8], by key: SigningPublicKey) -> Bool {
    Ed25519.isValid(signature: bytes, message: string, publicKey: key.bytes)
  }
}

extension Certificate {
  /// SHA-256 of the canonical bytes: `certFp` of the specification.
  package var fingerprint: Digest { .sha256(of: canonicalBytes) }
}
