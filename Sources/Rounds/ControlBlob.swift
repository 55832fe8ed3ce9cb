import Aggregation
import Federation
import SecureAggregation
import Tensors

/// The server's control variate under SCAFFOLD as a blob: how it comes from the coordinator's memory to the workers.
package struct ControlBlob: Sendable {
  /// c, raw little-endian Float32.
  package let bytes: [UInt8]
  package let reference: Reference

  /// What an offer says of it.
  package struct Reference: Hashable, Sendable {
    package let tensor: TensorReference
    /// That went into c, one after the other.
    package let rounds: UInt64

    /// As the task of the next round names it.
    func task(in round: RoundNumber) -> TrainingTask.Control {
      TrainingTask.Control(
        digest: tensor.digest, since: RoundNumber(round.value > rounds ? round.value - rounds : 1))
    }
  }

  /// - Returns: nil where c is zeros, or there is none: then an offer names no blob.
  package init?(_ state: ServerState) {
    guard let control = state.control else { return nil }
    bytes = [UInt8](littleEndian: control)
    let tensor = TensorReference(
      name: ServerState.controlVariate, dtypeCode: DType.f32.code, shape: [UInt64(control.count)],
      digest: .sha256(of: bytes), byteCount: UInt64(bytes.count))
    reference = Reference(tensor: tensor, rounds: state.steps)
  }
}

extension RoundOffer {
  /// Whether the worker corrects its steps by control variates, and keeps its own if its update counts.
  package var usesControlVariates: Bool {
    task.kind == .train && Strategy(parsing: configuration.strategy)?.hasControlVariates == true
  }

  /// All blobs that it takes to train: the tensors of the model, then c if the offer names one.
  package var blobs: [TensorReference] { tensors + (control.map { [$0] } ?? []) }

  /// Takes what was fetched for `blobs` apart.
  package func split(_ fetched: [NamedTensor]) -> (model: [NamedTensor], control: [Float]?) {
    guard control != nil, let last = fetched.last else { return (fetched, nil) }
    var values: [Float] = []
    values.append(littleEndian: last.bytes)
    return (Array(fetched.dropLast()), values)
  }

  /// What is wrong with the control variate that the offer names; nil if nothing is.
  var controlObjection: String? {
    guard task.control?.digest == control?.digest else { return "the blob of the control variate is not the task's" }
    guard let control else { return nil }
    guard usesControlVariates else { return "a control variate under '\(configuration.strategy.prefix(60))'" }
    guard control.dtypeCode == DType.f32.code, control.shape == [configuration.vectorLength],
      control.byteCount == control.shapeByteCount
    else {
      return "the control variate: found \(control.byteCount) bytes, "
        + "expected the Float32 of \(configuration.vectorLength) elements"
    }
    return nil
  }
}
