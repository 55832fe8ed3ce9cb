import Federation
import Testing

@Suite("Local optimizers")
struct LocalOptimizerTests {
  @Test("Everything at once has one text")
  func everything() {
    let optimizer = LocalOptimizer(
      .adamW(.init(beta1: 0.8)), clipNorm: 2, exampleClipNorm: 0.25, steps: 9, warmUp: 3,
      schedule: .step(every: 4, factor: 0.5))
    let text = "adamw 0.8 0.999 1e-08, clip 2.0, example-clip 0.25, steps 9, warm-up 3, step 4 0.5"
    #expect(optimizer.description == text)
    #expect(LocalOptimizer(parsing: text) == optimizer)
    #expect(optimizer.isValid)
  }

  @Test(
    "A text that is none, or not the only one, is refused",
    arguments: [
      "", "rmsprop", "sgd,", "sgd , clip 1.0", "sgd, clip 1", "sgd, clip 0.0", "sgd, clip -1.0", "sgd, clip nan",
      "sgd, clip inf", "sgd, steps 0", "sgd, steps 1000001", "sgd, steps 5, clip 1.0", "adam", "adam 0.9 0.999",
      "adam 1.0 0.999 1e-08", "adam 0.9 0.999 0.0", "sgd, cosine 0 0.1", "sgd, cosine 10 1.5", "sgd, step 0 0.5",
      "sgd, step 5 0.0", "sgd, exponential 1.1", "sgd, warm-up 0", "sgd, clip 1.0, clip 1.0", "SGD",
      "sgd, exponential 0.5, linear 5 0.1", String(repeating: "sgd, ", count: 60),
    ])
  func refused(_ text: String) {
    #expect(LocalOptimizer(parsing: text) == nil)
  }
}
