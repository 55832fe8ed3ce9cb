import Cryptography
import Federation
import ModelRegistry
import Tensors

/// Where a worker keeps its control variates.
protocol ControlVariateKeeping: Sendable {
  /// c_i of a run as it was last kept; nil if it never was, or in a round before `since`: then it is zeros.
  func own(in run: RunID, since: RoundNumber, count: Int) throws(ControlVariateError) -> [Float]?
  /// Durable when it returns.
  func keep(_ control: [Float], of attempt: AttemptID) throws
}

/// A worker's control variates under SCAFFOLD on disk, one file for a run: `STATE_DIRECTORY/control/RUN.safetensors`.
///
/// Written when an update counts, and not before: a worker that ends before it hears so keeps the c_i it had.
struct ControlVariateStore: ControlVariateKeeping {
  static let tensorName = "control-variate"
  private static let headerByteCountMax = 1 << 16

  private let directory: String

  init(stateDirectory: String) { directory = stateDirectory + "/control" }

  private func path(of run: RunID) -> String { "\(directory)/\(run).safetensors" }

  func own(in run: RunID, since: RoundNumber, count: Int) throws(ControlVariateError) -> [Float]? {
    let path = path(of: run)
    let bytes: [UInt8]
    do throws(FileError) {
      bytes = try DurableFile.read(path, byteCountMax: 4 * count + Self.headerByteCountMax)
    } catch {
      guard error.isMissing else { throw ControlVariateError(path: path, problem: error.reason) }
      return nil
    }
    guard let file = try? Safetensors.decode(bytes), let tensor = file.tensors.first, file.tensors.count == 1,
      let round = file.metadata["round"].flatMap({ UInt64($0) }),
      file.metadata["sha256"] == Digest(unchecked: SHA256.hash(tensor.bytes)).hex
    else { throw ControlVariateError(path: path, problem: "it is not what was written") }
    guard file.metadata["run"] == run.text, tensor.name == Self.tensorName, tensor.dtype == .f32,
      tensor.shape == [count]
    else { throw ControlVariateError(path: path, problem: "it is not of the run '\(run)' with \(count) parameters") }
    guard RoundNumber(round) >= since else { return nil }
    var values: [Float] = []
    values.append(littleEndian: tensor.bytes)
    return values
  }

  func keep(_ control: [Float], of attempt: AttemptID) throws {
    try DurableFile.createDirectory(directory, mode: 0o700)
    let bytes = [UInt8](littleEndian: control)
    let file = try Safetensors.encode(
      [NamedTensor(name: Self.tensorName, dtype: .f32, shape: [control.count], bytes: bytes)],
      metadata: [
        "run": attempt.run.text, "round": "\(attempt.round.value)",
        "sha256": Digest(unchecked: SHA256.hash(bytes)).hex,
      ])
    try DurableFile.write(file, to: path(of: attempt.run), mode: 0o600)
  }
}

/// A worker's own control variate is there and cannot be used. It is never taken for zeros: the server's is the mean of
/// what the workers have.
struct ControlVariateError: Error, Equatable, CustomStringConvertible {
  let path: String
  let problem: String

  var description: String {
    "the control variate \(path) cannot be used: \(problem). Remove it to begin anew with zeros, and accept that this "
      + "worker's part of the server's control variate stays in it"
  }
}
