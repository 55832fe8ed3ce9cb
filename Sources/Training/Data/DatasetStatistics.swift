/// What the features of a data set are like, each by itself: range, mean and spread.
package struct DatasetStatistics: Equatable, Sendable {
  package struct Feature: Equatable, Sendable {
    package let name: String
    package let minimum: Double
    package let maximum: Double
    package let mean: Double
    /// Of the population: the root of the mean squared distance from the mean.
    package let standardDeviation: Double
  }

  package let features: [Feature]
  /// Of all values of all features together, named `all`.
  package let overall: Feature

  /// - Precondition: the data set has at least one example.
  package init(_ dataset: Dataset) {
    precondition(dataset.count > 0, "nothing has no mean")
    let width = dataset.featureCount
    let count = Double(dataset.count)
    var minimum = [Double](repeating: .infinity, count: width)
    var maximum = [Double](repeating: -.infinity, count: width)
    var sum = [Double](repeating: 0, count: width)
    for (i, value) in dataset.features.enumerated() {
      let (column, value) = (i % width, Double(value))
      minimum[column] = min(minimum[column], value)
      maximum[column] = max(maximum[column], value)
      sum[column] += value
    }
    let means = sum.map { $0 / count }
    // About the mean, in a second pass: the difference of large squares would lose what is small.
    var squares = [Double](repeating: 0, count: width)
    for (i, value) in dataset.features.enumerated() {
      let distance = Double(value) - means[i % width]
      squares[i % width] += distance * distance
    }
    features = (0..<width).map { column in
      Feature(
        name: dataset.featureNames[column], minimum: minimum[column], maximum: maximum[column], mean: means[column],
        standardDeviation: (squares[column] / count).squareRoot())
    }
    let mean = means.reduce(0, +) / Double(width)
    // Within the features, and between their means.
    let between = means.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    overall = Feature(
      name: "all", minimum: minimum.min() ?? 0, maximum: maximum.max() ?? 0, mean: mean,
      standardDeviation: ((squares.reduce(0, +) / count + between) / Double(width)).squareRoot())
  }
}

extension Dataset {
  /// How far these examples' labels are from those of others: half the sum of the differences of the classes' shares
  /// (total variation), from 0 for the same shares to 1 for no class in common; 0 without labels.
  package func labelSkew(against others: [Int]) -> Double {
    let total = others.reduce(0, +)
    guard !labels.isEmpty, total > 0 else { return 0 }
    let own = classCounts
    let differences = (0..<max(own.count, others.count)).map { label in
      abs(
        (label < own.count ? Double(own[label]) / Double(labels.count) : 0)
          - (label < others.count ? Double(others[label]) / Double(total) : 0))
    }
    return differences.reduce(0, +) / 2
  }
}
