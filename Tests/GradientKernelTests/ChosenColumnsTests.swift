import CKernels
import GradientKernel
import Tensors
import Testing

@Suite("Features that are zero in a whole batch")
struct ChosenColumnsTests {
  /// Below, at and beyond tiles, blocks of inputs (256) and of rows (64).
  @Test(
    "are left out of products, which come to the same",
    arguments: [(1, 1, 1), (3, 17, 2), (7, 64, 4), (10, 784, 13), (13, 600, 1), (65, 33, 2), (130, 40, 1)])
  func products(rows: Int, inputs: Int, panels: Int) {
    var numbers = TestNumbers(seed: UInt32(rows * 31 + inputs))
    var x = numbers.array(rows * inputs)
    for index in x.indices where index % inputs % 3 != 1 { x[index] = index % 2 == 0 ? 0 : -0.0 }
    // In one row alone, a number is enough.
    if inputs > 2 { x[inputs * (rows - 1) + 2] = 0.5 }
    let expectedColumns: [Int32] = (0..<Int32(inputs)).filter { $0 % 3 == 1 || $0 == 2 }
    let w = numbers.array(panels * inputs * 16), bias = numbers.array(panels * 16)
    let dy = numbers.array(rows * panels * 16)
    for variant in KernelVariant.all + [KernelVariant.reference] {
      let table = variant.table
      var columns = [Int32](repeating: 0, count: inputs + Int(CK_AHEAD))
      var found: [[Float]] = [], expected: [[Float]] = []
      x.withUnsafeBufferPointer { x in
        let pointers = (0..<rows).map { row in x.baseAddress.map { $0 + row * inputs } }
        let count = table.choose_columns(rows, inputs, pointers, &columns)
        #expect(Array(columns[..<count]) == expectedColumns, "\(variant.testDescription)")
        for rectified in [0, 1] as [Int32] {
          var plain = [Float](repeating: 9, count: rows * panels * 16), chosen = plain
          table.dense_forward(rows, inputs, 0, panels, pointers, w, bias, &plain, panels * 16, rectified)
          table.dense_forward_chosen(
            rows, count, columns, inputs, 0, panels, pointers, w, bias, &chosen, panels * 16, rectified)
          expected.append(plain)
          found.append(chosen)
        }
        for panel in 0..<panels {
          var plain = Array(w[panel * inputs * 16..<(panel + 1) * inputs * 16]), chosen = plain
          dy.withUnsafeBufferPointer { dy in
            guard let start = dy.baseAddress.map({ $0 + panel * 16 }) else { return }
            table.dense_weight_gradient(
              rows, 0, inputs, pointers, start, panels * 16, &plain, ck_update(keep: 1, pull: 0, anchor: nil))
            table.dense_weight_gradient_chosen(rows, count, columns, pointers, start, panels * 16, &chosen)
          }
          expected.append(plain)
          found.append(chosen)
        }
      }
      #expect(found == expected, "\(variant.testDescription)")
    }
  }

  @Test("give the same steps on any number of threads, and move no weight of theirs")
  func steps() throws {
    let architecture = try ModelArchitecture(parsing: "mlp 300-257-130-10")
    var features = architecture.examples(20, seed: 11).features
    for index in features.indices where index % 300 < 200 { features[index] = 0 }
    let examples = Examples(features: features, labels: (0..<20).map { Int32($0 % 10) })
    let base = try architecture.parameters(seed: 5, scale: 0.1)
    let results = try [1, 2, 4].map { threads in
      let network = try Network(architecture, batchCapacity: 5, pool: ThreadPool(threads: threads))
      network.workMin = 0
      try network.load(base)
      for start in [0, 5, 10] as [Int32] {
        _ = network.step(examples, rows: Array(start..<start + 5)[...], rule: OptimizerRule(), learningRate: 0.1)
      }
      var difference: [Float] = []
      network.writeDifference(into: &difference)
      return difference
    }
    #expect(results[1] == results[0])
    #expect(results[2] == results[0])
    let weights = try #require(architecture.layout["layer0.weight"]).range
    for (place, moved) in results[0][weights].enumerated() {
      #expect((place % 300 < 200) == (moved == 0), "weight \(place)")
    }
  }
}
