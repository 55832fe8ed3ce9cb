import Federation

/// Deals rows out to parts. A choice: the same seed gives the same parts on every machine.
struct Partitioner {
  /// Of each row, its class; empty if rows have none.
  let labels: [Int32]
  let classCount: Int
  let groups: Dataset.Groups?
  let count: Int
  let parts: Int
  let minimum: Int
  private var choices: SeededGenerator

  /// - Parameters:
  ///   - count: of rows.
  ///   - minimum: rows of every part.
  init(
    labels: [Int32], classCount: Int, groups: Dataset.Groups?, count: Int, parts: Int, minimum: Int, seed: UInt64
  ) {
    precondition(parts >= 1 && minimum >= 0, "examples are dealt out to at least one part")
    precondition(labels.isEmpty || labels.count == count, "every row has a label, or none has")
    self.labels = labels
    self.classCount = classCount
    self.groups = groups
    self.count = count
    self.parts = parts
    self.minimum = minimum
    choices = SeededGenerator(seed: seed, stream: "partition")
  }

  /// The rows of each part, ascending; every row is in exactly one.
  ///
  /// Parts that are too small get rows of the then largest part, but for `.column`, whose groups stay whole.
  ///
  /// - Throws: `DatasetError.tooFewRows` for fewer than `parts · minimum` rows, or fewer than there are shards; `.noClasses`
  ///   of `.dirichlet` and `.shards` for rows without classes; `.noGroups`, `.tooFewGroups` or `.smallPart` of `.column`.
  mutating func rows(_ partition: DataPartition) throws(DatasetError) -> [[Int]] {
    let (needed, overflow) = parts.multipliedReportingOverflow(by: minimum)
    guard !overflow, count >= needed else { throw .tooFewRows(found: count, needed: overflow ? .max : needed) }
    switch partition {
    case .dirichlet, .shards: guard labels.count == count else { throw .noClasses }
    case .iid, .quantity, .column: break
    }
    switch partition {
    case .iid: return fill(Self.cut(shuffled(), into: parts))
    case .dirichlet(let alpha): return fill(labelSkew(alpha: alpha))
    case .shards(let perPart): return fill(try shards(perPart: perPart))
    case .quantity(let alpha): return fill(quantitySkew(alpha: alpha))
    case .column(let column): return try natural(column: column)
    }
  }

  private mutating func shuffled() -> [Int] {
    var rows = Array(0..<count)
    choices.shuffle(&rows)
    return rows
  }

  /// Consecutive pieces whose lengths differ by at most one.
  private static func cut(_ rows: [Int], into pieces: Int) -> [[Int]] {
    (0..<pieces).map { Array(rows[$0 * rows.count / pieces..<($0 + 1) * rows.count / pieces]) }
  }

  /// Consecutive pieces whose lengths are in the proportion of the weights, as nearly as whole rows can be.
  private func cut(_ rows: [Int], by weights: [Double]) -> [[Int]] {
    let total = weights.reduce(0, +)
    var running = 0.0
    var start = 0
    return weights.indices.map { part in
      running += weights[part]
      // With a tiny α all weights can underflow to zero; the last part then gets everything.
      let share = part == weights.count - 1 ? 1 : total > 0 ? min(1, running / total) : 0
      let end = max(start, Int(Double(rows.count) * share))
      defer { start = end }
      return Array(rows[start..<end])
    }
  }

  private mutating func labelSkew(alpha: Double) -> [[Int]] {
    var members = [[Int]](repeating: [], count: parts)
    for label in 0..<Int32(classCount) {
      var rows = labels.indices.filter { labels[$0] == label }
      choices.shuffle(&rows)
      let weights = (0..<parts).map { _ in choices.gamma(shape: alpha) }
      for (part, piece) in cut(rows, by: weights).enumerated() { members[part] += piece }
    }
    return members
  }

  private mutating func quantitySkew(alpha: Double) -> [[Int]] {
    let rows = shuffled()
    return cut(rows, by: (0..<parts).map { _ in choices.gamma(shape: alpha) })
  }

  private mutating func shards(perPart: Int) throws(DatasetError) -> [[Int]] {
    let (shardCount, overflow) = parts.multipliedReportingOverflow(by: perPart)
    guard !overflow, count >= shardCount else {
      throw .tooFewRows(found: count, needed: overflow ? .max : shardCount)
    }
    // Sorted by class, at random within a class.
    let rows = shuffled().enumerated().sorted { a, b in
      (labels[a.element], a.offset) < (labels[b.element], b.offset)
    }.map(\.element)
    let shards = Self.cut(rows, into: shardCount)
    var order = Array(0..<shardCount)
    choices.shuffle(&order)
    return (0..<parts).map { part in order[part * perPart..<(part + 1) * perPart].flatMap { shards[$0] } }
  }

  /// Largest groups first, each to the part that has least; parts in the order of their first group's name.
  private mutating func natural(column: String) throws(DatasetError) -> [[Int]] {
    guard let groups, groups.column == column else { throw .noGroups(column: column) }
    var members = [[Int]](repeating: [], count: groups.names.count)
    for (row, group) in groups.indices.enumerated() { members[Int(group)].append(row) }
    var order = members.indices.filter { !members[$0].isEmpty }
    guard order.count >= parts else {
      throw .tooFewGroups(column: column, found: order.count, needed: parts)
    }
    choices.shuffle(&order)  // Among groups of one size.
    let ranked = order.enumerated().sorted { a, b in
      (members[b.element].count, a.offset) < (members[a.element].count, b.offset)
    }.map(\.element)
    var dealt = [(groups: [Int], count: Int)](repeating: ([], 0), count: parts)
    for group in ranked {
      let least = (0..<parts).reduce(0) { dealt[$1].count < dealt[$0].count ? $1 : $0 }
      dealt[least].groups.append(group)
      dealt[least].count += members[group].count
    }
    dealt.sort { ($0.groups.min() ?? .max) < ($1.groups.min() ?? .max) }
    for (i, part) in dealt.enumerated() where part.count < minimum {
      throw .smallPart(part: i + 1, found: part.count, needed: minimum)
    }
    return dealt.map { part in part.groups.flatMap { members[$0] }.sorted() }
  }

  private mutating func fill(_ dealt: [[Int]]) -> [[Int]] {
    var members = dealt
    for part in 0..<parts {
      while members[part].count < minimum {
        let largest = (0..<parts).reduce(0) { members[$1].count > members[$0].count ? $1 : $0 }
        members[part].append(members[largest].remove(at: choices.index(below: members[largest].count)))
      }
    }
    return members.map { $0.sorted() }
  }
}
