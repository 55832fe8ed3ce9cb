import GradientKernel
import Tensors
import Testing

@Suite("Gradients")
struct GradientTests {
  /// At a kink of ReLU or a maximum two differences of unlike width differ; such a parameter says nothing. A bias of a
  /// convolution moves many numbers over theirs. The vectors of `NetworkVectorTests` are away from all kinks.
  private static let kinkMax = 0.4

  @Test("Every gradient is the finite difference of the loss", arguments: TestModels.all, KernelClass.present)
  func finiteDifferences(_ model: TestModels, _ kernelClass: KernelClass) throws {
    let architecture = try model.architecture()
    let network = try Network(architecture, batchCapacity: 3, pool: ThreadPool(threads: 1), kernelClass: kernelClass)
    var parameters = try architecture.parameters(seed: 7, scale: 0.5)
    let examples = architecture.examples(5, seed: 4)
    let rows: [Int32] = [4, 0, 3]
    func meanLoss() throws -> Double {
      try network.load(parameters, dropoutSeed: 5)
      let result = network.gradient(examples, rows: rows[...])
      return result.lossSum / Double(result.count)
    }
    _ = try meanLoss()
    let gradient = network.gradientValues
    var kinks = 0
    var checked = 0
    // Every parameter of small models, a few hundred of each large one.
    for i in stride(from: 0, to: parameters.values.count, by: max(1, parameters.values.count / 300)) {
      let value = parameters.values[i]
      func slope(_ width: Float) throws -> Double {
        parameters.values[i] = value + width
        let above = try meanLoss()
        parameters.values[i] = value - width
        let below = try meanLoss()
        parameters.values[i] = value
        return (above - below) / Double(2 * width)
      }
      let (wide, narrow) = (try slope(4e-3), try slope(1e-3))
      checked += 1
      guard abs(wide - narrow) < 5e-4 else {
        kinks += 1
        continue
      }
      #expect(abs(narrow - Double(gradient[i])) < 2e-3, "parameter \(i)")
    }
    #expect(Double(kinks) < Self.kinkMax * Double(checked))
  }
}
