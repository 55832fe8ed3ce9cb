import CKernels
import Tensors

/// A model's parameters as networks of its architecture hold them.
final class PackedParameters {
  let set: ParameterSet
  let buffer: FloatBuffer

  /// - Precondition: the plan is of the set's layout.
  init(_ set: ParameterSet, _ plan: NetworkPlan, kernels: UnsafePointer<ck_table>) {
    self.set = set
    buffer = FloatBuffer(count: plan.packedCount)
    plan.pack(set.values, into: buffer, kernels)
  }

  /// Whether it was packed from this very array: it holds that, so nobody has changed it since.
  func isOf(_ other: ParameterSet) -> Bool {
    set.values.withUnsafeBufferPointer { own in
      other.values.withUnsafeBufferPointer { $0.baseAddress == own.baseAddress && $0.count == own.count }
    }
  }
}

extension NetworkPlan {
  /// - Parameter values: in the order of the layout.
  func pack(_ values: [Float], into buffer: FloatBuffer, _ kernels: UnsafePointer<ck_table>) {
    let target = buffer.start
    values.withUnsafeBufferPointer { values in
      guard let start = values.baseAddress else { return }
      for matrix in matrices {
        matrix.withKernelForm {
          kernels.pointee.pack($0, start + matrix.tensor.lowerBound, target + matrix.offset)
        }
      }
      for row in rows { row.forEach { target[$1] = values[$0] } }
    }
  }

  /// The numbers of a buffer in the order of the layout, less those of another.
  func unpack(
    _ buffer: FloatBuffer, less base: FloatBuffer? = nil, _ kernels: UnsafePointer<ck_table>
  ) -> [Float] {
    [Float](unsafeUninitializedCapacity: architecture.layout.count) { values, count in
      unpack(buffer, less: base, kernels, into: values)
      count = architecture.layout.count
    }
  }

  /// - Parameter values: room for the layout's count.
  func unpack(
    _ buffer: FloatBuffer, less base: FloatBuffer?, _ kernels: UnsafePointer<ck_table>,
    into values: UnsafeMutableBufferPointer<Float>
  ) {
    let source = buffer.start, subtracted = base.map { UnsafePointer($0.start) }
    guard let start = values.baseAddress else { return }
    for matrix in matrices {
      matrix.withKernelForm {
        kernels.pointee.unpack_difference(
          $0, source + matrix.offset, subtracted.map { $0 + matrix.offset }, start + matrix.tensor.lowerBound)
      }
    }
    for row in rows {
      row.forEach { start[$0] = source[$1] - (subtracted?[$1] ?? 0) }
    }
  }
}

extension PackedMatrix {
  fileprivate func withKernelForm(_ body: (UnsafePointer<ck_matrix>) -> Void) {
    outputs.withUnsafeBufferPointer { outputs in
      inputs.withUnsafeBufferPointer { inputs in
        var matrix = ck_matrix(
          rows: outputs.count, columns: inputs.count, places: places, outputs: outputs.baseAddress,
          inputs: inputs.baseAddress)
        body(&matrix)
      }
    }
  }
}
