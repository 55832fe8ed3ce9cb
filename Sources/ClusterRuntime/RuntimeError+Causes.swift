import ClusterConfiguration
import ModelRegistry
import Wire
import ZeroMQ

extension RuntimeError {
  /// A party's folder that cannot be used.
  package init(_ error: HomeError) {
    let category: ExitCategory =
      switch error {
      case .wrongRole, .notAMember, .certificateNotSigned, .certificateNotValidNow, .badKey, .keyMismatch,
        .exposedSecret:
        .notAuthorised
      case .missingFile: .notFound
      case .exists: .usage
      case .busy: .failed
      case .configuration(let error): RuntimeError(error).category
      case .file(let error): RuntimeError(error).category
      }
    self.init(category, error.description)
  }

  package init(_ error: ConfigurationError) {
    self.init(error.isMissingFile ? .notFound : .usage, error.description)
  }

  package init(_ error: FileError) { self.init(error.isMissing ? .notFound : .failed, error.description) }
  package init(_ error: VerificationError) { self.init(.verificationFailed, error.description) }

  package init(_ error: RegistryError) {
    let category: ExitCategory =
      switch error {
      case .unknownModel, .unknownVersion, .unknownBlob: .notFound
      case .corruptedBlob, .corruptedVersion, .notVerified: .verificationFailed
      case .versionTaken, .retired, .file: .failed
      }
    self.init(category, error.description)
  }

  /// A socket that cannot be opened, bound or connected.
  package init(_ error: ZeroMQError) {
    switch error.attempt {
    case .bind(let endpoint) where error.isAddressInUse:
      self.init(.network, "\(endpoint): found the address in use, expected a free one")
    case .bind, .connect: self.init(.network, "cannot \(error.description)")
    default: self.init(.failed, "cannot \(error.description)")
    }
  }

  /// What a peer answered instead of what was asked for.
  init(_ failure: Failure) {
    let category: ExitCategory =
      switch failure.code {
      case .invalid: .usage
      case .notFound: .notFound
      case .denied: .notAuthorised
      case .unavailable: .network
      case .conflict, .internal: .failed
      }
    self.init(category, failure.text)
  }
}
