import CKernels

/// The features that are not zero in every example at hand, as the edge of an image is: no product is made of the others.
///
/// Each thread has a list of its own. Sums keep their order, so nothing but the sign of a zero can differ.
final class ChosenColumns {
  /// Of the features; where more of them are chosen, the plain products are no slower.
  private static let fractionMax = 0.85

  private let inputs: Int
  private let kernels: UnsafePointer<ck_table>
  /// Shape [threads, inputs + CK_AHEAD].
  private let columns: UnsafeMutablePointer<Int32>
  /// Per thread.
  private let counts: UnsafeMutableBufferPointer<Int>

  init(inputs: Int, threads: Int, kernels: UnsafePointer<ck_table>) {
    self.inputs = inputs
    self.kernels = kernels
    let pitch = inputs + Int(CK_AHEAD)
    columns = .allocate(capacity: pitch * threads)
    columns.initialize(repeating: 0, count: pitch * threads)
    counts = .allocate(capacity: threads)
    counts.initialize(repeating: inputs)
  }

  deinit {
    columns.deallocate()
    counts.deallocate()
  }

  /// Looks through some rows.
  func choose(_ rows: UnsafePointer<UnsafePointer<Float>?>, count: Int, thread: Int) {
    counts[thread] = kernels.pointee.choose_columns(count, inputs, rows, columns + thread * (inputs + Int(CK_AHEAD)))
  }

  /// The columns that the thread chose, ascending; nil if that is most of them.
  func list(thread: Int) -> UnsafeBufferPointer<Int32>? {
    guard Double(counts[thread]) <= Self.fractionMax * Double(inputs) else { return nil }
    return UnsafeBufferPointer(start: columns + thread * (inputs + Int(CK_AHEAD)), count: counts[thread])
  }
}

extension NetworkPlan {
  /// Features of a dense layer that reads them where they are and is wide enough for a choice to pay; nil for other models.
  var choosableInputs: Int? {
    guard input == .inPlace, case .dense(let step)? = steps.first, step.from == 0, step.panels >= 4 else { return nil }
    return step.inputs
  }
}
