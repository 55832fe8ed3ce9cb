import CKernels

/// A class of CPUs on which training gives the same bits.
package enum KernelClass: String, CaseIterable, Sendable {
  /// Every CPU, also of another architecture: what `--portable` pins.
  case base
  case avx2
  case avx512
  case neon

  /// The fastest class of this machine.
  package static var best: KernelClass {
    switch ck_best_class() {
    case CK_CLASS_AVX512: .avx512
    case CK_CLASS_AVX2: .avx2
    case CK_CLASS_NEON: .neon
    default: .base
    }
  }

  /// Whether this machine has the class.
  package var isAvailable: Bool { ck_table_for(code) != nil }

  var code: ck_class {
    switch self {
    case .base: CK_CLASS_BASE
    case .avx2: CK_CLASS_AVX2
    case .avx512: CK_CLASS_AVX512
    case .neon: CK_CLASS_NEON
    }
  }
}
