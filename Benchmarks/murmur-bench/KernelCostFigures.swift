import GradientKernel

/// What more than a plain step costs: clipped examples, other optimizers, and handing work to threads.
struct KernelCostFigures {
  let products: MatrixProducts
  let stopwatch: Stopwatch

  func report(to report: inout Report) throws {
    let epochs = EpochFigures(products: products, stopwatch: stopwatch)
    for model in try BenchmarkModel.all() {
      let batch = 32
      let plain = try epochs.examplesPerSecond(model, batch: batch, threads: 1)
      let rules: [(String, OptimizerRule, Budget?)] = [
        ("gradients of single examples clipped", OptimizerRule(exampleClipNorm: 1), .ratioAtMost(3)),
        ("gradient of the batch clipped", OptimizerRule(clipNorm: 1), nil),
        ("momentum", OptimizerRule(.sgd(momentum: 0.9, nesterov: false)), nil),
        ("Adam", OptimizerRule(.adam(beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decoupled: false)), nil),
      ]
      for (name, rule, budget) in rules {
        let rate = try epochs.examplesPerSecond(model, batch: batch, threads: 1, rule: rule)
        report.add(
          Figure(
            section: "a step of \(batch) examples beside one of plain SGD, 1 thread", name: "\(model.name), \(name)",
            value: Double(batch) * 1e6 / rate, unit: "us", limit: Double(batch) * 1e6 / plain, budget: budget))
      }
    }
    guard products.maximumThreads >= 2 else { return }
    let model = try BenchmarkModel(name: "CNN", text: "mcmahan-cnn")
    for batch in [10, 32] {
      let one = try epochs.examplesPerSecond(model, batch: batch, threads: 1)
      report.add(
        Figure(
          section: "two threads beside twice one", name: "CNN, batch \(batch)",
          value: try epochs.examplesPerSecond(model, batch: batch, threads: 2), unit: "ex/s", limit: 2 * one,
          budget: .ratioAtLeast(0.8)))
    }
    reportForks(to: &report)
  }

  private final class Nothing: ParallelWork {
    func perform(thread: Int, of count: Int) {}
  }

  /// A loop of empty pieces of work: what it costs to start two threads and to wait for them.
  private func reportForks(to report: inout Report) {
    let pool = ThreadPool(threads: 2)
    let work = Nothing()
    let count = 20_000
    let seconds = stopwatch.least { for _ in 0..<count { pool.run(work) } }
    report.add(
      Figure(
        section: "threads", name: "fork and join of 2 threads", value: seconds * 1e6 / Double(count), unit: "us",
        budget: .atMost(10)))
  }
}
