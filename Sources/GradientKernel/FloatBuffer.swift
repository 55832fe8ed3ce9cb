import CKernels

/// Floats in memory of their own, aligned to a cache line, so that kernels may write them without copies.
final class FloatBuffer {
  static let alignment = 64
  let count: Int
  let start: UnsafeMutablePointer<Float>
  private let raw: UnsafeMutableRawPointer

  /// All zeros.
  init(count: Int) {
    self.count = count
    raw = .allocate(byteCount: max(1, count) * MemoryLayout<Float>.stride, alignment: Self.alignment)
    start = raw.bindMemory(to: Float.self, capacity: max(1, count))
    fill(with: 0)
  }

  deinit { raw.deallocate() }

  func fill(with value: Float) { start.update(repeating: value, count: count) }
}

extension [Float] {
  /// Whether every element is finite.
  package var isFinite: Bool { withUnsafeBufferPointer { $0.baseAddress.map { ck_is_finite(count, $0) == 1 } ?? true } }
}
