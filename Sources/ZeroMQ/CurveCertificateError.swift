/// Why a CURVE certificate file could not be read or written: which file, where in it, and what is wrong.
package enum CurveCertificateError: Error, Equatable, CustomStringConvertible {
  case unreadable(file: String, reason: String)
  case tooLong(file: String, bytesMax: Int)
  /// `line` counts from 1.
  case malformed(file: String, line: Int, reason: String)
  case missingKey(file: String, key: String)
  /// The public key of the file does not belong to its secret key.
  case keysDisagree(file: String)
  /// Group or others may read or write a file that holds a secret key.
  case exposedSecret(file: String, mode: UInt32)
  case alreadyExists(file: String)
  case unwritable(file: String, reason: String)
  /// A metadata name or value that the format cannot hold.
  case unrepresentable(name: String)

  package var description: String {
    switch self {
    case .unreadable(let file, let reason): "\(file): cannot be read: \(reason)"
    case .tooLong(let file, let bytesMax): "\(file): longer than \(bytesMax) bytes, not a certificate"
    case .malformed(let file, let line, let reason): "\(file):\(line): \(reason)"
    case .missingKey(let file, let key): "\(file): has no \(key) in its curve section"
    case .keysDisagree(let file): "\(file): its public-key does not belong to its secret-key"
    case .exposedSecret(let file, let mode):
      "\(file): holds a secret key, but has mode \(String(mode, radix: 8)); only its owner may have access: chmod 600"
    case .alreadyExists(let file): "\(file): exists already and is kept"
    case .unwritable(let file, let reason): "\(file): cannot be written: \(reason)"
    case .unrepresentable(let name): "certificate metadata \"\(name)\": name or value cannot be written in this format"
    }
  }
}
