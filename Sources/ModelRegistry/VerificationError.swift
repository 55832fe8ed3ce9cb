import Federation
import Tensors

/// What about a version could not be verified.
package enum VerificationError: Error, Equatable, Sendable, CustomStringConvertible {
  case manifest(ManifestError)
  case otherFederation(found: FederationID, expected: FederationID)
  /// The signature is labelled with another name than the manifest has.
  case otherSigner(found: WorkerID, expected: WorkerID)
  case unknownSigner(WorkerID)
  case signerIsNoCoordinator(WorkerID, Role)
  case certificateNotSigned(WorkerID)
  case certificateNotValidThen(WorkerID, createdAt: UInt64)
  case badSignature(WorkerID)
  /// Another manifest than the one that was asked for.
  case manifestDigest(found: Digest, expected: Digest)
  /// Another model or version than the one that was asked for.
  case otherVersion(found: String, expected: String)
  case missingTensor(String)
  case unexpectedTensor(String)
  /// Type or shape of a tensor differ from the manifest's.
  case tensorShape(String)
  case tensorDigest(String, found: Digest, expected: Digest)
  case modelDigest(found: Digest, expected: Digest)
  case fileSize(found: UInt64, expected: UInt64)
  case fileDigest(found: Digest, expected: Digest)
  case notSafetensors(SafetensorsError)
  /// The key of the model signature is not endorsed by the manifest's signer.
  case keyNotEndorsed(by: WorkerID)
  case badModelSignature(String)

  package var description: String {
    switch self {
    case .manifest(let error): "\(error)"
    case .otherFederation(let found, let expected): "the model is of federation \(found), expected \(expected)"
    case .otherSigner(let found, let expected): "the signature is said to be \(found)'s, expected \(expected)'s"
    case .unknownSigner(let name): "the signer \(name) is not in the membership list"
    case .signerIsNoCoordinator(let name, let role): "the signer \(name) is a \(role), expected a coordinator"
    case .certificateNotSigned(let name): "the certificate of \(name) is not signed by the federation's authority"
    case .certificateNotValidThen(let name, let time):
      "the certificate of \(name) was not valid when the manifest was made (\(time) s since 1970)"
    case .badSignature(let name): "the signature is not \(name)'s over this manifest"
    case .manifestDigest(let found, let expected): "the manifest has digest \(found), expected \(expected)"
    case .otherVersion(let found, let expected): "the manifest is of \(found), expected \(expected)"
    case .missingTensor(let name): "the tensor '\(name)' is missing"
    case .unexpectedTensor(let name): "the tensor '\(name)' is not in the manifest"
    case .tensorShape(let name): "type or shape of the tensor '\(name)' differ from the manifest"
    case .tensorDigest(let name, let found, let expected):
      "the tensor '\(name)' has digest \(found), expected \(expected)"
    case .modelDigest(let found, let expected): "the model has digest \(found), expected \(expected)"
    case .fileSize(let found, let expected): "the file has \(found) bytes, expected \(expected)"
    case .fileDigest(let found, let expected): "the file has digest \(found), expected \(expected)"
    case .notSafetensors(let error): "the file is not a safetensors file: \(error)"
    case .keyNotEndorsed(let name): "the key of the model signature is not endorsed by \(name)"
    case .badModelSignature(let reason): "the model signature is bad: \(reason)"
    }
  }
}
