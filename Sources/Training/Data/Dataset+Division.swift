import Federation

extension Dataset {
  /// Divides the examples into those to train on and those held out: at random, without regard to classes; of a text, the
  /// last sequences of each group, since a sequence in the middle would give away the ones around it.
  ///
  /// - Parameter holdOut: the fraction held out, from 0 to below 1; rounded to whole examples.
  /// - Throws: `DatasetError.badFraction`; `.tooFewRows` if nothing would be left to train on.
  package func split(holdOut: Double, seed: UInt64) throws(DatasetError) -> (training: Dataset, holdOut: Dataset) {
    let (training, held) =
      vocabulary == nil
      ? try splitRows(count: count, holdOut: holdOut, seed: seed)
      : try splitLastRows(count: count, groups: groups, holdOut: holdOut)
    return (subset(training), subset(held))
  }

  /// Divides the examples into those to train on and those held out, as a plan says.
  ///
  /// - Parameter seed: of a hold-out at random.
  /// - Throws: as `split(holdOut:seed:)`; `DatasetError.tooFewRows` for more rows than there are.
  package func split(_ holdOut: HoldOut, seed: UInt64) throws(DatasetError) -> (training: Dataset, holdOut: Dataset) {
    switch holdOut {
    case .fraction(let fraction): return try split(holdOut: fraction, seed: seed)
    case .last(let last, let first):
      let training = first ?? max(1, count - last)
      let (needed, overflow) = training.addingReportingOverflow(last)
      guard !overflow, count >= needed else { throw .tooFewRows(found: count, needed: overflow ? .max : needed) }
      return (subset(Array(0..<training)), subset(Array(count - last..<count)))
    }
  }

  /// Deals the examples out to `parts`: every example is in exactly one, and within a part examples keep their order.
  ///
  /// Parts that are too small get examples of the then largest part, so that each has at least `minimum`; only parts by a
  /// column are refused instead, since its groups stay whole.
  ///
  /// - Throws: `DatasetError.tooFewRows` for fewer than `parts · minimum` examples or fewer than there are shards;
  ///   `.noClasses` for a partition by class of examples without one class each; `.noGroups`, `.tooFewGroups` or
  ///   `.smallPart` of a partition by a column.
  package func partition(
    _ partition: DataPartition, parts: Int, minimum: Int = 1, seed: UInt64
  ) throws(DatasetError) -> [Dataset] {
    var partitioner = Partitioner(
      labels: hasOneClass ? labels : [], classCount: classCount, groups: groups, count: count, parts: parts,
      minimum: minimum, seed: seed)
    return try partitioner.rows(partition).map { subset($0) }
  }
}

/// As `Dataset.split`, for the numbers of rows, ascending.
func splitRows(
  count: Int, holdOut: Double, seed: UInt64
) throws(DatasetError) -> (training: [Int], holdOut: [Int]) {
  guard holdOut >= 0, holdOut < 1 else { throw .badFraction(holdOut) }
  let held = Int((Double(count) * holdOut).rounded())
  guard held < count else { throw .tooFewRows(found: count, needed: held + 1) }
  var order = Array(0..<count)
  var choices = SeededGenerator(seed: seed, stream: "hold-out")
  choices.shuffle(&order)
  return (order[held...].sorted(), order[..<held].sorted())
}

/// The numbers of rows, ascending: of each group the last fraction is held out, rounded to whole rows.
///
/// - Parameter groups: of each row; nil for one group of all.
/// - Throws: as `splitRows`.
func splitLastRows(
  count: Int, groups: Dataset.Groups?, holdOut: Double
) throws(DatasetError) -> (training: [Int], holdOut: [Int]) {
  guard holdOut >= 0, holdOut < 1 else { throw .badFraction(holdOut) }
  var left = [Int](repeating: 0, count: groups?.names.count ?? 1)
  let group = groups.map { groups in groups.indices.map(Int.init) } ?? [Int](repeating: 0, count: count)
  for index in group { left[index] += 1 }
  // How many rows of each group come first.
  left = left.map { $0 - Int((Double($0) * holdOut).rounded()) }
  var (training, held): ([Int], [Int]) = ([], [])
  for (row, index) in group.enumerated() {
    if left[index] > 0 { training.append(row) } else { held.append(row) }
    left[index] -= 1
  }
  guard !training.isEmpty else { throw .tooFewRows(found: count, needed: held.count + 1) }
  return (training, held)
}
