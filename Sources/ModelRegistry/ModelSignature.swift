import Cryptography
import Federation
import SecureAggregation

/// A signature of the OpenSSF Model Signing format over a version in a folder: what the upstream verifier reads.
///
/// One in-toto statement that names the covered files with their digests, in a DSSE envelope, in a Sigstore bundle of
/// version 0.3 whose key is given by hint. The statement follows from the manifest alone (Protocols/models.md, "Model
/// signature"), so a reader compares it with its own instead of believing what is in it.
package enum ModelSignature {
  /// Longest bundle that is read, in bytes.
  package static let bundleByteCountMax = 8 << 10

  private static let payloadType = "application/vnd.in-toto+json"
  private static let mediaType = "application/vnd.dev.sigstore.bundle.v0.3+json"

  /// The bundle's bytes: the file `model.sig`.
  package static func bundle(of signed: SignedManifest, key: P256SigningKey) throws(ManifestError) -> [UInt8] {
    let statement = Self.statement(of: try Manifest(bytes: signed.bytes), digest: signed.digest)
    let signature = key.sign(authenticated(statement))
    return bundle(statement, signature: signature, key: key.publicKey).bytes
  }

  /// Checks that a bundle is one of `key` over the version.
  ///
  /// - Parameters:
  ///   - manifest: verified already.
  ///   - digest: of the manifest's bytes.
  /// - Throws: `badModelSignature` with what is wrong.
  package static func verify(_ bundle: [UInt8], of manifest: Manifest, digest: Digest, key: P256PublicKey)
    throws(VerificationError)
  {
    guard bundle.count <= bundleByteCountMax else {
      throw .badModelSignature("found \(bundle.count) bytes, expected at most \(bundleByteCountMax)")
    }
    guard let json = try? CanonicalJSONParser.parse(bundle), let signature = signature(in: json) else {
      throw .badModelSignature("it is not a bundle of one signature")
    }
    let statement = statement(of: manifest, digest: digest)
    // All but the signature follows from manifest and key.
    guard Self.bundle(statement, signature: signature, key: key) == json else {
      throw .badModelSignature("it is not of this version and key")
    }
    guard key.isValid(signature: signature, message: authenticated(statement)) else {
      throw .badModelSignature("the signature is not the key's")
    }
  }

  /// The in-toto statement over the files of a version.
  static func statement(of manifest: Manifest, digest: Digest) -> [UInt8] {
    let covered: [(file: VersionFile, digest: Digest)] = [
      (.card, .sha256(of: Array(ModelCard.text(of: manifest, digest: digest).utf8))), (.manifest, digest),
      (.model, manifest.file.digest),
    ]
    let root = Digest.sha256(of: covered.flatMap(\.digest.bytes))
    let ignored = VersionFile.allCases.filter { !$0.isCovered }.map(\.name).sorted()
    return CanonicalJSON.object([
      "_type": .string("https://in-toto.io/Statement/v1"),
      "predicate": .object([
        "resources": .array(
          covered.map {
            .object([
              "algorithm": .string("sha256"), "digest": .string($0.digest.hex), "name": .string($0.file.name),
            ])
          }),
        "serialization": .object([
          "allow_symlinks": .boolean(false), "hash_type": .string("sha256"),
          "ignore_paths": .array(ignored.map { .string($0) }), "method": .string("files"),
        ]),
      ]),
      "predicateType": .string("https://model_signing/signature/v1.0"),
      "subject": .array([
        .object([
          "digest": .object(["sha256": .string(root.hex)]),
          "name": .string("\(manifest.model)@\(manifest.version)"),
        ])
      ]),
    ]).bytes
  }

  /// What is signed: the pre-authentication encoding of DSSE 1.0.
  private static func authenticated(_ statement: [UInt8]) -> [UInt8] {
    Array("DSSEv1 \(payloadType.utf8.count) \(payloadType) \(statement.count) ".utf8) + statement
  }

  private static func bundle(_ statement: [UInt8], signature: [UInt8], key: P256PublicKey) -> CanonicalJSON {
    let hint = Digest.sha256(of: Array(key.pem.utf8))
    return .object([
      "dsseEnvelope": .object([
        "payload": .string(Base64.encode(statement)), "payloadType": .string(payloadType),
        "signatures": .array([.object(["keyid": .string(""), "sig": .string(Base64.encode(signature))])]),
      ]),
      "mediaType": .string(mediaType),
      "verificationMaterial": .object([
        "publicKey": .object(["hint": .string(hint.hex)]), "tlogEntries": .array([]),
      ]),
    ])
  }

  private static func signature(in bundle: CanonicalJSON) -> [UInt8]? {
    guard case .object(let top) = bundle, case .object(let envelope) = top["dsseEnvelope"],
      case .array(let signatures) = envelope["signatures"], signatures.count == 1,
      case .object(let signature) = signatures[0], case .string(let text) = signature["sig"]
    else { return nil }
    return Base64.decode(text)
  }
}
