import GradientKernel

/// Predictions a second of a serving node's path, on one thread.
struct PredictionFigures {
  let products: MatrixProducts
  let stopwatch: Stopwatch

  func report(to report: inout Report) throws {
    for model in try BenchmarkModel.all() {
      let session = InferenceSession(try model.model(), batchCapacity: InferenceSession.batchCapacityMax)
      for batch in [1, 8, 32, 256] {
        let rate = predictionsPerSecond(session, model, batch: batch)
        let section = "prediction, 1 thread"
        report.add(Figure(section: section, name: "\(model.name), batch \(batch)", value: rate, unit: "ex/s"))
        report.add(
          Figure(
            section: section, name: "\(model.name), batch \(batch)",
            value: rate * Double(model.architecture.flops) / 1e9, unit: "GF/s", limit: products.rates[0]))
      }
    }
  }

  private func predictionsPerSecond(_ session: InferenceSession, _ model: BenchmarkModel, batch: Int) -> Double {
    let count = max(1, Int(5e8 / Double(model.architecture.flops) / Double(batch)))
    var predictions = [Float](repeating: 0, count: batch * session.outputCount)
    let features = model.examples.features
    let seconds = stopwatch.least {
      features.withUnsafeBufferPointer { features in
        predictions.withUnsafeMutableBufferPointer { predictions in
          let batchFeatures = UnsafeBufferPointer(rebasing: features[0..<batch * model.architecture.featureCount])
          for _ in 0..<count { session.predict(batchFeatures, into: predictions) }
        }
      }
    }
    return Double(count * batch) / seconds
  }
}
