import ArgumentParser
import GradientKernel

/// Local training and prediction, beside the machine's matrix product.
struct KernelBenchmark: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "kernel",
    abstract: "Local epochs of softmax regression, the 2NN and the CNN; prediction; what clipping and threads cost.",
    discussion: """
      One epoch is one client's 600 images of 28 x 28 in a new order, with plain SGD, as in the comparison with other \
      frameworks. The limit of GFLOP/s is the single precision product of two matrices of 1,024 x 1,024 by OpenBLAS \
      (apt-get install libopenblas0-pthread), on as many threads.
      """)

  @OptionGroup var measuring: MeasuringOptions

  func run() throws {
    var report = Report(isJSON: measuring.json)
    let stopwatch = measuring.stopwatch(repetitions: measuring.quick ? 2 : 7)
    let most = measuring.threads ?? min(2, ThreadPool.coreCount)
    let products = try MatrixProducts(maximumThreads: most, stopwatch: stopwatch)
    products.report(to: &report)
    try EpochFigures(products: products, stopwatch: stopwatch).report(to: &report)
    try KernelCostFigures(products: products, stopwatch: stopwatch).report(to: &report)
    try PredictionFigures(products: products, stopwatch: stopwatch).report(to: &report)
    try report.finish()
  }
}
