import CKernels
import GradientKernel
import Tensors
import Testing

/// Numbers in (−1, 1) that are the same in every run (Numerical Recipes' LCG).
struct TestNumbers {
  private var state: UInt32
  init(seed: UInt32) { state = seed }
  mutating func next() -> Float {
    state = state &* 1_664_525 &+ 1_013_904_223
    return Float(Int32(bitPattern: state) >> 8) / Float(1 << 23)
  }
  mutating func array(_ count: Int) -> [Float] { (0..<count).map { _ in next() } }
}

/// Largest difference relative to the larger of 1 and the expected magnitude.
func distance(_ a: [Float], _ b: [Float]) -> Float {
  guard a.count == b.count else { return .infinity }
  return zip(a, b).map { abs($0 - $1) / max(1, abs($1)) }.max() ?? 0
}

extension KernelClass {
  /// Those that this machine can run.
  static var present: [KernelClass] { allCases.filter(\.isAvailable) }
}

/// The kernels of one class, with its name; constants behind function pointers.
struct KernelVariant: @unchecked Sendable, CustomTestStringConvertible {
  let testDescription: String
  let table: ck_table

  static let all: [KernelVariant] =
    [CK_CLASS_BASE, CK_CLASS_AVX2, CK_CLASS_AVX512, CK_CLASS_NEON].compactMap { ck_table_for($0) }.map {
      KernelVariant(testDescription: String(cString: $0.pointee.name), table: $0.pointee)
    }
  /// Those that fuse multiplication and addition.
  static var fused: [KernelVariant] { all.filter { $0.testDescription != "base" } }
  static let base = all[0]
  static let reference = KernelVariant(testDescription: "reference", table: ck_reference_table().pointee)
}

extension ModelArchitecture {
  func parameters(seed: UInt32, scale: Float = 1) throws -> ParameterSet {
    var numbers = TestNumbers(seed: seed)
    return try ParameterSet(layout: layout, values: numbers.array(layout.count).map { $0 * scale })
  }

  /// Examples whose targets cycle through the classes.
  func examples(_ count: Int, seed: UInt32) -> Examples {
    var numbers = TestNumbers(seed: seed)
    var features = numbers.array(count * featureCount)
    if case .tokens(_, let vocabulary) = input {
      features = features.map { ((1 + $0) / 2 * Float(vocabulary)).rounded(.down) }
    }
    if classCount == 0 { return Examples(features: features, targets: .values(numbers.array(count * outputCount))) }
    return Examples(
      features: features, labels: (0..<count * labelsPerExample).map { Int32($0 * 7 % classCount) })
  }
}
