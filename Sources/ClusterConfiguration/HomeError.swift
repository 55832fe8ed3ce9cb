import Federation
import ModelRegistry

/// Why a party's folder could not be made or used.
package enum HomeError: Error, Equatable, Sendable, CustomStringConvertible {
  /// Something is at the path where a new federation should be.
  case exists(String)
  case missingFile(String, expected: String)
  /// Another program is changing the file.
  case busy(String)
  case file(FileError)
  case configuration(ConfigurationError)
  /// A secret that others than its owner may read or write.
  case exposedSecret(path: String, mode: UInt32)
  case badKey(path: String, expected: String)
  /// The secret in the file is not the one behind the public key in the certificate.
  case keyMismatch(path: String, certificate: WorkerID)
  case wrongRole(path: String, found: Role, expected: Role)
  /// The own certificate is not the one that the membership list has under its name.
  case notAMember(WorkerID, path: String)
  case certificateNotSigned(WorkerID, path: String)
  case certificateNotValidNow(WorkerID, notBefore: UInt64, notAfter: UInt64)

  package var description: String {
    switch self {
    case .exists(let path): "\(path): found an existing folder with files in it, expected none or an empty one"
    case .missingFile(let path, let expected): "\(path): found no such file, expected \(expected)"
    case .busy(let path): "\(path): found another program that changes it, expected none; try again"
    case .file(let error): "\(error)"
    case .configuration(let error): "\(error)"
    case .exposedSecret(let path, let mode):
      "\(path): found mode \(Self.octal(mode)), expected 0600 for a secret; type: chmod 600 \(path)"
    case .badKey(let path, let expected): "\(path): found something else, expected \(expected)"
    case .keyMismatch(let path, let name):
      "\(path): found another key, expected the secret key of '\(name)''s certificate"
    case .wrongRole(let path, let found, let expected):
      "\(path): found the folder of a \(found.word), expected that of a \(expected.word)"
    case .notAMember(let name, let path): "\(path): found no such certificate of '\(name)', expected one in the members"
    case .certificateNotSigned(let name, let path):
      "\(path): found a certificate of '\(name)' without the authority's signature, expected it signed"
    case .certificateNotValidNow(let name, let start, let end):
      "the certificate of '\(name)' is valid from \(start) until \(end) (seconds since 1970), expected it to be valid now"
    }
  }

  private static func octal(_ mode: UInt32) -> String {
    let digits = String(mode & 0o7777, radix: 8)
    return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
  }
}

extension Role {
  /// The role in words.
  package var word: String {
    switch self {
    case .authority: "authority"
    case .worker: "worker"
    case .coordinator: "coordinator"
    case .servingNode: "serving node"
    case .consumer: "consumer"
    case .operator: "operator"
    }
  }
}
