import Aggregation
import Cryptography
import Federation
import ModelRegistry
import SecureAggregation
import Tensors

/// What every version of a run's model says of itself, whatever the round.
package struct VersionTemplate: Sendable {
  package let federation: FederationID
  package let model: ModelName
  package let run: RunID
  package let aggregation: AggregationMode
  package let architecture: String
  package let dataScale: Double
  /// Of the coordinator, which signs.
  package let certificate: Certificate
  package let signingKey: SigningKey
  /// With its population, under SCAFFOLD.
  package let strategy: Strategy

  package init(
    federation: FederationID, model: ModelName, run: RunID, aggregation: AggregationMode, architecture: String,
    dataScale: Double, certificate: Certificate, signingKey: SigningKey, strategy: Strategy
  ) {
    self.federation = federation
    self.model = model
    self.run = run
    self.aggregation = aggregation
    self.architecture = architecture
    self.dataScale = dataScale
    self.certificate = certificate
    self.signingKey = signingKey
    self.strategy = strategy
  }
}

/// One version, ready to be stored: parameters, bytes, and the signed statement about them.
package struct ModelRelease: Sendable {
  package let model: ModelName
  package let parameters: ParameterSet
  package let artifact: ModelArtifact
  package let manifest: SignedManifest
  package let base: BaseModel
}

/// What a round ends with: the next version, and what the server remembers with it.
package struct ClosedRound: Sendable {
  package let release: ModelRelease
  /// Durable before the release is published, so that no version exists whose state is lost.
  package let state: ServerState
}

/// Why no version is made, though there is a sum.
package enum ClosingError: Error, Equatable, Sendable, CustomStringConvertible {
  /// Nobody would verify what is signed now; times in seconds since 1970.
  case certificateNotValid(WorkerID, time: UInt64, notBefore: UInt64, notAfter: UInt64)

  package var description: String {
    switch self {
    case .certificateNotValid(let name, let time, let notBefore, let notAfter):
      "the certificate of \(name) is valid from \(notBefore) until \(notAfter) (s since 1970), the clock says \(time)"
    }
  }
}

/// The last phase of a round: the server optimizer moves the model, the result becomes a signed version.
package enum RoundClosing {
  /// Version 0: the signed initial model, before any round.
  package static func initial(
    _ parameters: ParameterSet, template: VersionTemplate, createdAt: UInt64
  ) throws -> ModelRelease {
    try release(
      parameters, version: 0, parent: nil, round: 0, attempt: 0, configurationDigest: nil, cohortSize: 0,
      metrics: nil, control: nil, template: template, createdAt: createdAt)
  }

  /// The version after `order.base`.
  ///
  /// - Parameters:
  ///   - base: the parameters of `order.base`.
  ///   - state: what the server remembers with `order.base`.
  ///   - average: of the open sum.
  ///   - parent: the digest of its manifest.
  /// - Throws: `AggregationError` for a sum that gives no model: report `sumRefused`; `ClosingError`.
  package static func next(
    _ order: RunStateMachine.CommitOrder, base: ParameterSet, state: ServerState, average: [Float], parent: Digest,
    template: VersionTemplate, createdAt: UInt64
  ) throws -> ClosedRound {
    var state = state
    let summary = order.summary
    let difference = try template.strategy.difference(
      from: average,
      totals: SumTotals(
        weight: summary.weight, weightedSteps: summary.terms.steps, fairness: summary.terms.fairness))
    let control = try template.strategy.controlScale(
      order.task.optimizer, learningRate: order.configuration.learningRate, round: order.attempt.round.value,
      updates: summary.weight)
    let values = try template.strategy.nextModel(
      from: base.values, difference: difference, control: control, state: &state)
    let release = try release(
      ParameterSet(layout: base.layout, values: values), version: order.version, parent: parent,
      round: order.attempt.round, attempt: order.attempt.attempt,
      configurationDigest: order.configuration.digest, cohortSize: UInt64(order.reported),
      metrics: order.summary.metrics, control: ControlBlob(state)?.reference, template: template, createdAt: createdAt)
    return ClosedRound(release: release, state: state)
  }

  private static func release(
    _ parameters: ParameterSet, version: ModelVersion, parent: Digest?, round: RoundNumber, attempt: AttemptNumber,
    configurationDigest: Digest?, cohortSize: UInt64, metrics: RoundMetrics?, control: ControlBlob.Reference?,
    template: VersionTemplate, createdAt: UInt64
  ) throws -> ModelRelease {
    let certificate = template.certificate
    guard certificate.notBefore <= createdAt, createdAt < certificate.notAfter else {
      throw ClosingError.certificateNotValid(
        certificate.name, time: createdAt, notBefore: certificate.notBefore, notAfter: certificate.notAfter)
    }
    let artifact = try ModelArtifact(tensors: parameters.tensors, model: template.model, version: version)
    let manifest = Manifest(
      federation: template.federation, model: template.model, version: version, parent: parent, run: template.run,
      round: round, attempt: attempt, aggregation: template.aggregation, configurationDigest: configurationDigest,
      cohortSize: cohortSize, parentMetrics: metrics, architecture: template.architecture,
      dataScale: template.dataScale, modelDigest: artifact.modelDigest, tensors: artifact.manifestTensors,
      file: artifact.manifestFile, createdAt: createdAt, signer: certificate.name)
    return ModelRelease(
      model: template.model, parameters: parameters, artifact: artifact,
      manifest: try SignedManifest(signing: manifest, key: template.signingKey),
      base: BaseModel(manifest, control: control))
  }
}

extension BaseModel {
  /// What an offer says of a stored version.
  package init(_ manifest: Manifest, control: ControlBlob.Reference? = nil) {
    self.init(
      version: manifest.version, modelDigest: manifest.modelDigest,
      tensors: manifest.tensors.map {
        TensorReference(
          name: $0.name, dtypeCode: $0.dtype.code, shape: $0.shape.map { UInt64($0) }, digest: $0.digest,
          byteCount: $0.byteCount)
      }, control: control)
  }
}
