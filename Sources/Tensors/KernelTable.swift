import CKernels

/// The kernels of this machine, for sums that are the same bits in every class: the fastest is always right.
package enum KernelTable {
  /// Constants that nobody changes.
  nonisolated(unsafe) package static let best: UnsafePointer<ck_table> = {
    guard let table = ck_table_for(ck_best_class()) else { preconditionFailure("the base class is always there") }
    return table
  }()
}
