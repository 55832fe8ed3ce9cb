import Federation
import GradientKernel
import Inference
import ModelRegistry
import Observability
import Serving
import Synchronization
import Tensors

/// One verified version in memory, as requests hold it.
///
/// Whoever answers a request holds the object from admission to answer, so that all of an answer comes from one version.
/// When the host has let go and the last request is answered, the object ends and says so: that is the end of draining.
package final class ServedModel: Sendable {
  /// Examples that are computed in one pass; a larger batch takes several.
  package static let sessionRowsMax = 64

  package let name: VersionName
  /// The version's name in `name@sha256:…`.
  package let digest: Digest
  package let interface: ModelInterface
  /// `murmuration_` and the format of the weights.
  package static let platform = "murmuration_safetensors"
  /// Floating-point operations of one example.
  package let flops: Int
  package let statistics = VersionStatistics()
  package let metrics: ServedVersionMetrics
  /// The texts that answers repeat.
  package let versionText: String

  private let model: InferenceModel
  private let scale: Float
  private let idle: Mutex<[IdleSession]>
  private let released: @Sendable () -> Void

  /// A session between two users: whoever takes it out of the list is the only one who has it.
  private struct IdleSession: @unchecked Sendable {
    let session: InferenceSession
  }

  /// Loads a version.
  ///
  /// - Parameters:
  ///   - tensors: of the verified artefact.
  ///   - metrics: what its requests are counted with.
  ///   - released: called once, on any thread, when nobody holds the version any more.
  /// - Throws: `HostingError`.
  package init(
    manifest: Manifest, digest: Digest, tensors: [NamedTensor], metrics: ServedVersionMetrics,
    released: @escaping @Sendable () -> Void
  ) throws(HostingError) {
    let architecture: ModelArchitecture
    do throws(ArchitectureError) {
      architecture = try ModelArchitecture(parsing: manifest.architecture)
    } catch {
      throw .model("\(error)")
    }
    let parameters: ParameterSet
    do throws(TensorError) {
      parameters = try ParameterSet(tensors, expecting: architecture.layout)
    } catch {
      throw .model("\(error)")
    }
    guard parameters.values.allSatisfy(\.isFinite) else { throw .model("a parameter is not finite") }
    do throws(KernelError) {
      model = try InferenceModel(parameters, of: architecture)
    } catch {
      throw .model("\(error)")
    }
    name = VersionName(manifest.model, manifest.version)
    versionText = "\(manifest.version)"
    self.digest = digest
    interface = ModelInterface(architecture)
    flops = architecture.flops
    scale = Float(manifest.dataScale)
    self.metrics = metrics
    idle = Mutex([])
    self.released = released
  }

  deinit { released() }

  /// At most so many bytes for a version of an architecture with so many sessions at once: packed weights with their
  /// padding, and activations.
  package static func byteCountMax(of architecture: ModelArchitecture, sessions: Int) -> Int {
    // A row of weights is padded to whole vectors of 16, twice at most.
    let weights = architecture.stages.reduce(0) { $0 + 4 * ($1.parameterCount + 64 * ($1.output.count + 64)) }
    let activations = architecture.stages.reduce(architecture.featureCount) { $0 + 2 * ($1.output.count + 32) }
    return weights + sessions * sessionRowsMax * 4 * activations
  }

  /// Predicts once, so that the first request finds everything in place.
  ///
  /// - Throws: `HostingError.model` if what comes out is not finite.
  package func warmUp() throws(HostingError) {
    let zeros = [Float](repeating: 0, count: interface.featureCount)
    guard predict(zeros, rows: 1).allSatisfy(\.isFinite) else { throw .model("a prediction is not finite") }
  }

  /// Probabilities or values, shape [rows, outputCount].
  ///
  /// - Parameter features: of `features(of:)`, shape [rows, featureCount].
  package func predict(_ features: [Float], rows: Int) -> [Float] {
    precondition(rows >= 1 && features.count == rows * interface.featureCount, "features come in whole examples")
    let session = takeSession()
    defer { giveBack(session) }
    return [Float](unsafeUninitializedCapacity: rows * interface.outputCount) { out, filled in
      features.withUnsafeBufferPointer { features in
        var row = 0
        while row < rows {
          let count = min(Self.sessionRowsMax, rows - row)
          session.predict(
            UnsafeBufferPointer(
              rebasing: features[row * interface.featureCount..<(row + count) * interface.featureCount]),
            into: UnsafeMutableBufferPointer(
              rebasing: out[row * interface.outputCount..<(row + count) * interface.outputCount]))
          row += count
        }
      }
      filled = rows * interface.outputCount
    }
  }

  private func takeSession() -> InferenceSession {
    idle.withLock { $0.popLast() }?.session ?? InferenceSession(model, batchCapacity: Self.sessionRowsMax)
  }

  private func giveBack(_ session: InferenceSession) {
    let back = IdleSession(session: session)
    idle.withLock { $0.append(back) }
  }

  // MARK: Requests

  /// The features of a request as the model wants them, and their rows.
  ///
  /// - Parameter request: decoded with this version's signature.
  /// - Throws: `InferenceError.Kind.invalid` for no rows, numbers that are not finite, and tokens outside the vocabulary.
  package func features(of request: InferenceRequest) throws(InferenceError) -> (values: [Float], rows: Int) {
    guard let input = request.inputs.first, request.inputs.count == 1 else {
      throw InferenceError(.invalid, "found \(request.inputs.count) inputs, expected 1")
    }
    var values = try input.floats()
    guard !values.isEmpty, values.count.isMultiple(of: interface.featureCount) else {
      throw InferenceError(
        .invalid,
        "input '\(input.name)': found \(values.count) numbers, expected whole rows of \(interface.featureCount)")
    }
    try prepare(&values)
    return (values, values.count / interface.featureCount)
  }

  /// Checks raw features and makes them what the model was trained on.
  ///
  /// - Throws: `InferenceError.Kind.invalid` for numbers that are not finite, and tokens outside the vocabulary.
  package func prepare(_ values: inout [Float]) throws(InferenceError) {
    if let vocabulary = interface.vocabulary {
      guard values.allSatisfy({ $0 >= 0 && $0 < Float(vocabulary) && $0 == $0.rounded(.towardZero) }) else {
        throw InferenceError(.invalid, "found a token outside 0 to \(vocabulary - 1)")
      }
      return
    }
    // 0·x is 0 for a finite x, and no number for any other.
    guard values.reduce(into: Float(0), { $0 += $1 * 0 }) == 0 else {
      throw InferenceError(.invalid, "found a number that is not finite, expected finite numbers")
    }
    if scale != 1 { for index in values.indices { values[index] /= scale } }
  }

  /// Predicts a batch that came as one, and counts it.
  ///
  /// - Parameter features: of `prepare`, shape [rows, featureCount].
  package func measured(_ features: [Float], rows: Int) -> [Float] {
    let started = ContinuousClock.now
    let predictions = predict(features, rows: rows)
    let duration = ContinuousClock.now - started
    statistics.computed(rows: rows, in: duration)
    statistics.answered(in: duration, waiting: .zero, unixMilliseconds: WallClock.unixMilliseconds)
    return predictions
  }

  /// The answer to a request out of a batch's predictions.
  ///
  /// - Parameters:
  ///   - predictions: of the batch, shape [batch rows, outputCount].
  ///   - rows: those of the request.
  package func response(to request: InferenceRequest, predictions: [Float], rows: Range<Int>) -> InferenceResponse {
    let own = predictions[rows.lowerBound * interface.outputCount..<rows.upperBound * interface.outputCount]
    let all = interface.signature.outputs.map(\.name)
    let wanted = request.outputs.map { $0.map(\.name) } ?? all
    return InferenceResponse(
      modelName: name.model.text, modelVersion: versionText, id: request.id,
      outputs: wanted.map { output(named: $0, own, rows: rows.count) })
  }

  private func output(named name: String, _ predictions: ArraySlice<Float>, rows: Int) -> InferenceTensor {
    let lead = interface.steps > 1 ? [rows, interface.steps] : [rows]
    guard name == ModelInterface.labelName, interface.isClassifier else {
      return InferenceTensor(
        name: name, datatype: .fp32, shape: lead + [interface.width], content: .floats(Array(predictions)))
    }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(8 * rows * interface.steps)
    predictions.withUnsafeBufferPointer { values in
      for start in stride(from: 0, to: values.count, by: interface.width) {
        let label = interface.label(of: UnsafeBufferPointer(rebasing: values[start..<start + interface.width]))
        withUnsafeBytes(of: Int64(label).littleEndian) { bytes += $0 }
      }
    }
    return InferenceTensor(name: name, datatype: .int64, shape: lead, content: .raw(bytes))
  }
}

/// Why a version could not be loaded.
package enum HostingError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The model in the version is bad.
  case model(String)
  /// There is no room now; nothing is wrong with the version.
  case memory(needed: Int, free: Int)

  package var description: String {
    switch self {
    case .model(let reason): reason
    case .memory(let needed, let free): "the model needs up to \(needed) bytes, and \(free) are free"
    }
  }
}
