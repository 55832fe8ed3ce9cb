import CKernels
import GradientKernel
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

@Suite("Kernel variants beside the reference")
struct KernelVariantTests {
  static var classes: [UnsafePointer<ck_table>] {
    [CK_CLASS_BASE, CK_CLASS_AVX2, CK_CLASS_AVX512].compactMap { ck_table_for($0) }
  }

  struct Shape: Sendable, CustomTestStringConvertible {
    let rows: Int
    let inputs: Int
    let outputs: Int
    var testDescription: String { "\(rows) × \(inputs) → \(outputs)" }
  }

  /// Odd sizes: below, at and beyond every tile width, and rows that leave 0 to 3 over.
  static let shapes = [
    Shape(rows: 1, inputs: 1, outputs: 1), Shape(rows: 2, inputs: 3, outputs: 5),
    Shape(rows: 3, inputs: 17, outputs: 10),
    Shape(rows: 5, inputs: 64, outputs: 128), Shape(rows: 7, inputs: 79, outputs: 33),
    Shape(rows: 10, inputs: 200, outputs: 10), Shape(rows: 33, inputs: 29, outputs: 67),
  ]

  @Test("Dense layers agree forward and back, and the base class does so bit for bit", arguments: shapes)
  func dense(_ shape: Shape) {
    let (m, n, k) = (shape.rows, shape.outputs, shape.inputs)
    var numbers = TestNumbers(seed: UInt32(m * 1000 + n))
    let (ldx, ldy) = (k + 3, n + 5)
    let ld = (n + 15) / 16 * 16
    let x = numbers.array(m * ldx)
    let weights = numbers.array(n * k)
    let bias = numbers.array(n)
    let dy = numbers.array(m * ldy)
    var packed = [Float](repeating: 0, count: (k + 1) * ld)
    ck_pack_weights(0, n / 2, k, weights, bias, &packed, ld)
    ck_pack_weights(n / 2, n, k, weights, bias, &packed, ld)

    func outputs(_ table: ck_table) -> [[Float]] {
      var y = [Float](repeating: 9, count: m * (ld + 1))
      table.dense_forward(m, k, ld, x, ldx, packed, &y, ld + 1)
      var dx = [Float](repeating: 9, count: m * ldx)
      table.dense_input_gradient(m, k, n, dy, ldy, weights, &dx, ldx)
      var dw = [Float](repeating: 9, count: n * k)
      var db = [Float](repeating: 9, count: n)
      let middle = n / 3
      table.dense_weight_gradient(0, middle, k, m, dy, ldy, x, ldx, &dw, &db)
      table.dense_weight_gradient(middle, n, k, m, dy, ldy, x, ldx, &dw, &db)
      return [y, dx, dw, db]
    }
    let expected = outputs(ck_reference_table().pointee)
    for table in Self.classes.map(\.pointee) {
      let found = outputs(table)
      for (a, b) in zip(found, expected) {
        #expect(distance(a, b) < 1e-5, "\(String(cString: table.name))")
      }
      if String(cString: table.name) == "base" { #expect(found == expected) }
    }
    // Tile sizes and vector widths differ, the sums do not.
    let fused = Self.classes.dropFirst().map { outputs($0.pointee) }
    if fused.count == 2 { #expect(fused[0] == fused[1]) }
  }

  @Test("Softmax, its loss and its gradient agree; so do predictions", arguments: [1, 2, 10, 31])
  func softmax(classes: Int) {
    let rows = 6
    let ld = classes + 2
    var numbers = TestNumbers(seed: UInt32(classes))
    var logits = numbers.array(rows * ld).map { $0 * 30 }
    logits[0] = 500  // far beyond what exp can represent
    let labels = (0..<rows).map { Int32($0 % classes) }

    func outputs(_ table: ck_table) -> ([Float], [Float], [Int32], [Float]) {
      var gradient = [Float](repeating: 0, count: rows * ld)
      var losses = [Float](repeating: 0, count: rows)
      var predictions = [Int32](repeating: -1, count: rows)
      table.softmax_cross_entropy(rows, classes, logits, ld, labels, 0.25, &gradient, ld, &losses, &predictions)
      var again = losses
      table.softmax_cross_entropy(rows, classes, logits, ld, labels, 0.25, nil, ld, &again, &predictions)
      #expect(again == losses)
      var probabilities = logits
      table.softmax(rows, classes, &probabilities, ld)
      return (gradient, losses, predictions, probabilities)
    }
    let expected = outputs(ck_reference_table().pointee)
    for table in Self.classes.map(\.pointee) {
      let found = outputs(table)
      #expect(distance(found.0, expected.0) < 1e-6)
      #expect(distance(found.1, expected.1) < 1e-6)
      #expect(found.2 == expected.2)
      #expect(distance(found.3, expected.3) < 1e-6)
    }
  }

  @Test("A logit that is not finite gives NaN, never a number", arguments: [Float.nan, .infinity, -.infinity])
  func notFinite(_ bad: Float) {
    for table in Self.classes.map(\.pointee) {
      var gradient: [Float] = [0, 0, 0]
      var loss: Float = 0
      var prediction: Int32 = 0
      table.softmax_cross_entropy(1, 3, [1, bad, 2], 3, [0], 1, &gradient, 3, &loss, &prediction)
      #expect(loss.isNaN && gradient.allSatisfy(\.isNaN))
    }
  }

  @Test("Element-wise kernels agree", arguments: [0, 1, 15, 16, 17, 100])
  func elements(count: Int) {
    var numbers = TestNumbers(seed: 7)
    let gradient = numbers.array(count)
    let anchor = numbers.array(count)
    let start = numbers.array(count)
    func outputs(_ table: ck_table) -> [[Float]] {
      var y = start
      table.axpy(count, 0.3, gradient, &y)
      var relu = start
      table.relu(count, &relu)
      var masked = gradient
      table.relu_gradient(count, start, &masked)
      var velocity = anchor.map { $0 / 2 }
      var full = start
      table.sgd_step(count, 0.1, 0.9, 0.01, 0.2, gradient, anchor, &velocity, &full)
      var plain = start
      table.sgd_step(count, 0.1, 0, 0, 0, gradient, nil, nil, &plain)
      return [y, relu, masked, velocity, full, plain]
    }
    let expected = outputs(ck_reference_table().pointee)
    for table in Self.classes.map(\.pointee) {
      for (a, b) in zip(outputs(table), expected) { #expect(distance(a, b) < 1e-6) }
    }
  }

  @Test("ReLU keeps NaN, so that a broken network is noticed")
  func reluKeepsNaN() {
    for table in Self.classes.map(\.pointee) {
      var x: [Float] = [-1, .nan, 2]
      table.relu(3, &x)
      #expect(x[0] == 0 && x[1].isNaN && x[2] == 2)
    }
  }

  @Test("Subnormals are flushed on request only, and the state comes back")
  func subnormals() {
    var tiny = Float.leastNormalMagnitude
    let half = [Float](repeating: 0.5, count: 1)
    func product() -> Float { tiny * half[0] }
    #expect(product() > 0)
    let state = ck_flush_subnormals()
    let flushed = product()
    ck_restore_floating_state(state)
    #expect(flushed == 0)
    tiny = .leastNormalMagnitude
    #expect(product() > 0)
  }

  @Test("Finiteness is seen wherever it ends")
  func finiteness() {
    for count in [1, 7, 64] {
      for bad in [Float.nan, .infinity, -.infinity] {
        for position in 0..<count {
          var x = [Float](repeating: .greatestFiniteMagnitude, count: count)
          #expect(ck_is_finite(count, x) == 1)
          x[position] = bad
          #expect(ck_is_finite(count, x) == 0)
        }
      }
    }
  }
}
