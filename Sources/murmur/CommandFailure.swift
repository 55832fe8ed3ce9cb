import ClusterConfiguration
import ClusterRuntime
import ModelRegistry
import Prediction
import Pulling
import Training

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

  init(_ error: RuntimeError) { self.init(error.category, error.message) }

  /// What an error of one of our modules means to the user; nil for one of the argument parser.
  init?(_ error: any Error) {
    switch error {
    case let error as CommandFailure: self = error
    case let error as RuntimeError: self.init(error)
    case let error as PullError: self.init(RuntimeError(error))
    case let error as PredictionError: self.init(Self.category(of: error), error.message)
    case let error as ConfigurationError: self.init(RuntimeError(error))
    case let error as HomeError: self.init(RuntimeError(error))
    case let error as FileError: self.init(RuntimeError(error))
    case let error as DatasetError: self.init(Self.category(of: error), "\(error)")
    case let error as VerificationError: self.init(RuntimeError(error))
    case let error as ManifestError: self.init(RuntimeError(VerificationError.manifest(error)))
    case let error as RegistryError: self.init(RuntimeError(error))
    case let error as ModelReferenceError: self.init(.usage, "\(error)")
    default: return nil
    }
  }

  private static func category(of error: PredictionError) -> ExitCategory {
    switch error.kind {
    case .usage: .usage
    case .notFound: .notFound
    case .notAuthorised: .notAuthorised
    case .verificationFailed: .verificationFailed
    case .network: .network
    case .failed: .failed
    }
  }

  private static func category(of error: DatasetError) -> ExitCategory {
    switch error {
    case .unreadable(let file, _): DurableFile.exists(file) ? .failed : .notFound
    case .unwritable: .failed
    case .fileTooLarge, .badHeader, .badRows, .badFile, .noRows, .tooManyRows, .inconsistent, .badFraction, .tooFewRows,
      .tooFewGroups, .noGroups, .noClasses, .smallPart:
      .usage
    }
  }
}
