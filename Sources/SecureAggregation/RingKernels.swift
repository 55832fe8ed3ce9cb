import CKernels

/// The kernels of this machine. All classes give the same bits, so the fastest one is always right.
enum RingKernels {
  nonisolated(unsafe) static let table: ck_ring_table = {  // Function pointers; never written.
    guard let table = ck_ring_table_for(ck_best_class()) else {
      preconditionFailure("the best class of a machine has kernels")
    }
    return table.pointee
  }()
}
