import ClusterConfiguration
import ClusterRuntime
import Federation
import GradientKernel
import ModelRegistry
import Tensors
import Training
import Wire

/// Why a command ends without success: its exit code, and what stands on standard error.
struct CommandFailure: Error {
  let category: ExitCategory
  /// Without the program's name; more than one only for several wrong rows of one file.
  let lines: [String]

  init(_ category: ExitCategory, _ message: String) {
    self.category = category
    lines = message.split(separator: "\n").map(String.init)
  }

  /// A failure that has been reported already.
  init(silent category: ExitCategory) {
    self.category = category
    lines = []
  }

  /// What an error of one of our modules means to the user; nil for one of the argument parser.
  init?(_ error: any Error) {
    switch error {
    case let error as CommandFailure: self = error
    case let error as RuntimeError: self.init(error.category, error.message)
    case let error as ConfigurationError: self.init(Self.category(of: error), "\(error)")
    case let error as HomeError: self.init(Self.category(of: error), "\(error)")
    case let error as FileError: self.init(error.isMissing ? .notFound : .failed, "\(error)")
    case let error as DatasetError: self.init(Self.category(of: error), "\(error)")
    case let error as VerificationError: self.init(.verificationFailed, "\(error)")
    case let error as ModelFolderError: self.init(Self.category(of: error), "\(error)")
    case let error as RegistryError: self.init(Self.category(of: error), "\(error)")
    case let error as ModelReferenceError: self.init(.usage, "\(error)")
    case let error as Failure: self.init(Self.category(of: error), error.text)
    default: return nil
    }
  }

  private static func category(of error: ConfigurationError) -> ExitCategory {
    error.line == nil && error.found == "no such file" ? .notFound : .usage
  }

  private static func category(of error: HomeError) -> ExitCategory {
    switch error {
    case .exists: .usage
    case .missingFile: .notFound
    case .file(let error): error.isMissing ? .notFound : .failed
    case .configuration(let error): category(of: error)
    case .exposedSecret, .badKey, .keyMismatch, .wrongRole, .notAMember, .certificateNotSigned,
      .certificateNotValidNow:
      .notAuthorised
    }
  }

  private static func category(of error: DatasetError) -> ExitCategory {
    switch error {
    case .unreadable(let file, _): DurableFile.exists(file) ? .failed : .notFound
    case .unwritable: .failed
    case .fileTooLarge, .badHeader, .badRows, .noRows, .tooManyRows, .inconsistent, .badFraction, .tooFewRows: .usage
    }
  }

  private static func category(of error: ModelFolderError) -> ExitCategory {
    switch error {
    case .file(let error): error.isMissing ? .notFound : .failed
    case .notASignature, .notVerified: .verificationFailed
    }
  }

  private static func category(of error: RegistryError) -> ExitCategory {
    switch error {
    case .unknownModel, .unknownVersion, .unknownBlob: .notFound
    case .versionTaken: .failed
    case .corruptedBlob, .corruptedVersion, .notVerified: .verificationFailed
    case .file(let error): error.isMissing ? .notFound : .failed
    }
  }

  private static func category(of error: Failure) -> ExitCategory {
    switch error.code {
    case .invalid: .usage
    case .notFound: .notFound
    case .conflict, .internal: .failed
    case .unavailable: .network
    case .denied: .notAuthorised
    }
  }
}
