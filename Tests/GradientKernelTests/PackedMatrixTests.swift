import CKernels
import GradientKernel
import Testing

@Suite("Matrices between the canonical order and panels")
struct PackedMatrixTests {
  /// Whole panels, parts of them, rows of several groups with padding between them as in an LSTM, inputs in any order.
  @Test(
    "come back as they went in, less another",
    arguments: [(1, 1, 1), (16, 16, 16), (10, 200, 10), (33, 47, 33), (36, 5, 9)])
  func roundTrip(rows: Int, columns: Int, group: Int) {
    let pitch = (group + 15) / 16 * 16, places = columns + 3
    let outputs = (0..<rows).map { Int32($0 / group * pitch + $0 % group) }
    let inputs = (0..<columns).map { Int32(($0 * 7 + 2) % columns + 3) }  // No number of columns has the factor 7.
    let packedCount = (rows + group - 1) / group * pitch * places
    var numbers = TestNumbers(seed: UInt32(rows * 100 + columns))
    let values = numbers.array(rows * columns), base = numbers.array(packedCount)
    func results(_ table: ck_table) -> [[Float]] {
      var packed = [Float](repeating: 9, count: packedCount)
      var back = [Float](repeating: 7, count: rows * columns), difference = back
      outputs.withUnsafeBufferPointer { outputs in
        inputs.withUnsafeBufferPointer { inputs in
          var matrix = ck_matrix(
            rows: rows, columns: columns, places: places, outputs: outputs.baseAddress, inputs: inputs.baseAddress)
          table.pack(&matrix, values, &packed)
          table.unpack_difference(&matrix, packed, nil, &back)
          table.unpack_difference(&matrix, packed, base, &difference)
        }
      }
      return [packed, back, difference]
    }
    let expected = results(KernelVariant.reference.table)
    #expect(expected[1] == values)
    for variant in KernelVariant.all { #expect(results(variant.table) == expected, "\(variant.testDescription)") }
  }
}
