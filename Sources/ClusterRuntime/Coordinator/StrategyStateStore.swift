import Aggregation
import Cryptography
import Federation
import ModelRegistry
import Tensors

/// What server optimizers remember, one file for a version: `STATE_DIRECTORY/strategy/RUN/VERSION-SHA256.safetensors`,
/// where SHA256 is the digest of the file.
///
/// A file is durable before its version is published. After a crash between the two there is a file whose version never
/// came to be; the next attempt at that version removes it.
struct StrategyStateStore: Sendable {
  /// Versions whose state is kept, so that a run can go back to one of them.
  static let versionsKept: UInt64 = 4
  private static let headerByteCountMax = 1 << 20
  private static let suffix = ".safetensors"

  private let directory: String

  init(stateDirectory: String) { directory = stateDirectory + "/strategy" }

  /// What the server remembers with a version that a run goes on from.
  ///
  /// - Parameters:
  ///   - manifest: of that version. What this run has not made in a round of its own comes without memory.
  ///   - count: d.
  /// - Throws: `StrategyStateError`: the run cannot go on as if nothing had happened.
  func state(with manifest: Manifest, of run: RunID, strategy: Strategy, count: Int) throws(StrategyStateError)
    -> ServerState
  {
    guard strategy.optimizer.hasState, manifest.run == run, manifest.round.value > 0 else {
      return strategy.initialState(count: count)
    }
    return try read(run: run, version: manifest.version, optimizer: strategy.optimizer, count: count)
  }

  /// Makes the state of a version durable, in place of one that an earlier attempt at the same version left.
  func write(_ state: ServerState, run: RunID, version: ModelVersion) throws {
    let folder = folder(of: run)
    try DurableFile.createDirectory(folder, mode: 0o700)
    for name in try names(in: folder, where: { $0 == version.value }) { try DurableFile.remove(folder + "/" + name) }
    let bytes = try Self.encode(state, run: run, version: version)
    let digest = Digest(unchecked: SHA256.hash(bytes))
    try DurableFile.write(bytes, to: "\(folder)/\(version.value)-\(digest.hex)\(Self.suffix)", mode: 0o600)
  }

  /// Removes what nobody can go back to once `version` is published.
  func removeOutdated(run: RunID, version: ModelVersion) throws(FileError) {
    let folder = folder(of: run)
    guard version.value >= Self.versionsKept, DurableFile.exists(folder) else { return }
    let oldest = version.value - Self.versionsKept + 1
    for name in try names(in: folder, where: { $0 < oldest }) { try DurableFile.remove(folder + "/" + name) }
  }

  // MARK: Files

  private func folder(of run: RunID) -> String { "\(directory)/\(run)" }

  private func names(in folder: String, where isWanted: (UInt64) -> Bool) throws(FileError) -> [String] {
    try DurableFile.names(in: folder).filter { name in
      name.hasSuffix(Self.suffix) && name.split(separator: "-").first.flatMap { UInt64($0) }.map(isWanted) == true
    }
  }

  private func read(run: RunID, version: ModelVersion, optimizer: ServerOptimizer, count: Int)
    throws(StrategyStateError) -> ServerState
  {
    let folder = folder(of: run)
    func failure(_ problem: String) -> StrategyStateError {
      StrategyStateError(run: run, version: version, folder: folder, problem: problem)
    }
    var found: (name: String, bytes: [UInt8])?
    do throws(FileError) {
      let names = try self.names(in: folder, where: { $0 == version.value })
      if let name = names.first, names.count == 1 {
        let byteCountMax = 4 * count * optimizer.initialState(count: 0).vectors.count + Self.headerByteCountMax
        found = (name, try DurableFile.read(folder + "/" + name, byteCountMax: byteCountMax))
      }
    } catch {
      throw failure("\(error)")
    }
    guard let (name, bytes) = found else { throw failure("it has not exactly one file of this version") }
    let digest = Digest(unchecked: SHA256.hash(bytes))
    guard name == "\(version.value)-\(digest.hex)\(Self.suffix)" else {
      throw failure("\(name) is not what was written")
    }
    guard let state = Self.decode(bytes, run: run, version: version), optimizer.fits(state, count: count) else {
      throw failure("\(name) is not of the optimizer '\(optimizer.name)' for \(count) parameters")
    }
    return state
  }

  private static func encode(_ state: ServerState, run: RunID, version: ModelVersion) throws(SafetensorsError)
    -> [UInt8]
  {
    try Safetensors.encode(
      state.vectors.sorted { $0.key < $1.key }.map {
        NamedTensor(name: $0.key, dtype: .f32, shape: [$0.value.count], bytes: [UInt8](littleEndian: $0.value))
      },
      metadata: ["run": run.text, "steps": "\(state.steps)", "version": "\(version.value)"])
  }

  /// Nil unless the file is the state of this version of this run.
  private static func decode(_ bytes: [UInt8], run: RunID, version: ModelVersion) -> ServerState? {
    guard let file = try? Safetensors.decode(bytes), let steps = file.metadata["steps"].flatMap({ UInt64($0) }),
      file.metadata["run"] == run.text, file.metadata["version"] == "\(version.value)"
    else { return nil }
    var state = ServerState(steps: steps)
    for tensor in file.tensors {
      guard tensor.dtype == .f32, tensor.shape.count == 1 else { return nil }
      var values: [Float] = []
      values.append(littleEndian: tensor.bytes)
      state.vectors[tensor.name] = values
    }
    return state
  }
}

/// A version is there and what the server has to remember with it is not.
struct StrategyStateError: Error, Equatable, CustomStringConvertible {
  let run: RunID
  let version: ModelVersion
  let folder: String
  let problem: String

  var description: String {
    "the server optimizer's state with version \(version) of the run '\(run)' in \(folder) cannot be used: \(problem). "
      + "Submit a run under another name to go on from this model with nothing remembered; this run cannot go on"
  }
}
