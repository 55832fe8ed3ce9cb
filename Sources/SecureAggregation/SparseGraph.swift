import Cryptography
import Federation

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Who masks with whom in rosters above 256 workers: a randomly permuted circulant graph, seeded by the transcript.
///
/// Both ends compute it, so no message carries it. The second eigenvalue is checked, because a coordinator may choose
/// who drops out: an expanding graph has no small set of workers that dropouts could cut off.
package struct SparseGraph: Sendable {
  /// One line of the committed table (ruling A12): for rosters up to `rosterCount`.
  package struct Row: Hashable, Sendable {
    package let rosterCount: Int
    /// k_g.
    package let degree: Int
    /// t.
    package let threshold: Int
    /// Λ: the second eigenvalue that is still accepted.
    package let lambdaBound: Double
    /// c: with γ·n corrupt workers, no worker has more corrupt neighbours, but with probability 2^-128 over the graph.
    package let corruptNeighbours: Int

    package static let all = [
      Row(rosterCount: 500, degree: 128, threshold: 97, lambdaBound: 22, corruptNeighbours: 50),
      Row(rosterCount: 1000, degree: 160, threshold: 121, lambdaBound: 28, corruptNeighbours: 72),
      Row(rosterCount: 2000, degree: 160, threshold: 118, lambdaBound: 33, corruptNeighbours: 79),
      Row(rosterCount: 5000, degree: 200, threshold: 150, lambdaBound: 42, corruptNeighbours: 93),
      Row(rosterCount: 10000, degree: 200, threshold: 149, lambdaBound: 46, corruptNeighbours: 95),
    ]

    /// The first row for `n` workers; nil if the table ends below.
    package static func smallest(for n: Int) -> Row? { all.first { $0.rosterCount >= n } }
  }

  package static let attemptsMax: UInt32 = 1024

  package let row: Row
  /// Which try gave the graph.
  package let counter: UInt32
  /// λ₂ of the graph.
  package let lambda2: Double
  /// π: worker → position on the circle.
  package let permutation: [Int]
  /// Distances of neighbours on the circle, in the order drawn; k_g/2 of them.
  package let offsets: [Int]
  /// π⁻¹.
  private let inverse: [Int]
  /// By distance on the circle, 0…⌊n/2⌋: whether workers that far apart are neighbours.
  private let isOffset: [Bool]

  /// The graph of a transcript for `n` workers: the first try whose λ₂ does not exceed the bound of its row.
  ///
  /// - Throws: `rosterTooLarge`, `noGraph` if none of 1,024 tries counts (the attempt ends).
  package init(transcript: Digest, rosterCount n: Int) throws(Refusal) {
    guard n > Thresholds.completeGraphLimit, let row = Row.smallest(for: n) else { throw .rosterTooLarge }
    for counter in 0..<Self.attemptsMax {
      let (permutation, offsets) = Self.draw(transcript: transcript, n: n, degree: row.degree, counter: counter)
      let lambda2 = Self.lambda2(n: n, offsets: offsets)
      guard lambda2 <= row.lambdaBound else { continue }
      self.row = row
      self.counter = counter
      self.lambda2 = lambda2
      self.permutation = permutation
      self.offsets = offsets
      var inverse = [Int](repeating: 0, count: n)
      for (worker, position) in permutation.enumerated() { inverse[position] = worker }
      self.inverse = inverse
      var isOffset = [Bool](repeating: false, count: n / 2 + 1)
      for offset in offsets { isOffset[offset] = true }
      self.isOffset = isOffset
      return
    }
    throw .noGraph
  }

  /// N(i), ascending: `row.degree` workers.
  package func neighbours(of worker: Int) -> [Int] {
    let n = permutation.count
    let position = permutation[worker]
    return offsets.flatMap { [inverse[(position + $0) % n], inverse[(position + n - $0) % n]] }.sorted()
  }

  /// How many of N(i) are in `set`.
  func neighbourCount(of worker: Int, in set: Bitmap) -> Int {
    let n = permutation.count
    let position = permutation[worker]
    return offsets.reduce(0) { sum, offset in
      sum + (set.contains(inverse[(position + offset) % n]) ? 1 : 0)
        + (set.contains(inverse[(position + n - offset) % n]) ? 1 : 0)
    }
  }

  /// Whether two different workers mask with each other.
  package func areNeighbours(_ a: Int, _ b: Int) -> Bool {
    let distance = abs(permutation[a] - permutation[b])
    return isOffset[min(distance, permutation.count - distance)]
  }

  /// The fewest neighbours inside `set` that a member of `set` has; 0 for the empty set.
  package func smallestDegree(in set: Bitmap) -> Int {
    let n = permutation.count
    var isMember = [Bool](repeating: false, count: n)  // By position.
    let members = set.members
    for member in members { isMember[permutation[member]] = true }
    return members.map { member in
      let position = permutation[member]
      return offsets.reduce(0) { sum, offset in
        sum + (isMember[(position + offset) % n] ? 1 : 0) + (isMember[(position + n - offset) % n] ? 1 : 0)
      }
    }.min() ?? 0
  }

  /// The t-core of `survivors`: everyone with fewer than `threshold` neighbours left is removed, until none is. The
  /// result does not depend on the order.
  package func core(of survivors: Bitmap, threshold: Int) -> Bitmap {
    let near = (0..<permutation.count).map { neighbours(of: $0) }
    var alive = (0..<permutation.count).map { survivors.contains($0) }
    var degree = near.map { $0.reduce(0) { $0 + (alive[$1] ? 1 : 0) } }
    var weak = alive.indices.filter { alive[$0] && degree[$0] < threshold }
    while let worker = weak.popLast() {
      guard alive[worker] else { continue }
      alive[worker] = false
      for neighbour in near[worker] where alive[neighbour] {
        degree[neighbour] -= 1
        if degree[neighbour] < threshold { weak.append(neighbour) }
      }
    }
    return Bitmap(members: alive.indices.filter { alive[$0] }, count: permutation.count)
  }

  /// The AES-128 key of a try.
  package static func key(transcript: Digest, counter: UInt32) -> [UInt8] {
    var out = CanonicalBytes(label: "graph")
    out.append(transcript)
    out.append(counter)
    return Array(Digest.sha256(of: out.bytes).bytes.prefix(16))
  }

  /// One try: a permutation by Fisher–Yates, then distinct offsets, all uniform.
  package static func draw(
    transcript: Digest, n: Int, degree: Int, counter: UInt32
  ) -> (permutation: [Int], offsets: [Int]) {
    var words = WordStream(key: SecretBytes(copying: key(transcript: transcript, counter: counter)))
    var permutation = Array(0..<n)
    for i in stride(from: n - 1, to: 0, by: -1) { permutation.swapAt(i, words.below(i + 1)) }
    var offsets: [Int] = []
    var seen: Set<Int> = []
    while offsets.count < degree / 2 {
      let offset = 1 + words.below((n - 1) / 2)
      if seen.insert(offset).inserted { offsets.append(offset) }
    }
    return (permutation, offsets)
  }

  /// The largest eigenvalue but the degree: max over j = 1…⌊n/2⌋ of Σ_s 2·cos(2πjs/n), in binary64.
  package static func lambda2(n: Int, offsets: [Int]) -> Double {
    let cosines = (0..<n).map { 2 * cos(2 * Double.pi * Double($0) / Double(n)) }
    var largest = -Double.infinity
    for j in 1...(n / 2) {
      largest = max(largest, offsets.reduce(0.0) { $0 + cosines[j * $1 % n] })
    }
    return largest
  }
}

/// A keystream cut into `u32`.
private struct WordStream {
  private static let wordsPerPiece = 1024
  private let stream: Keystream
  private var words: [UInt32] = []
  private var next = 0

  init(key: SecretBytes) { stream = Keystream(key: key) }

  /// Uniform in [0, m): words of the incomplete last block of 2^32 are skipped.
  mutating func below(_ m: Int) -> Int {
    let limit = (1 << 32) - (1 << 32) % m
    var word = Int(take())
    while word >= limit { word = Int(take()) }
    return word % m
  }

  private mutating func take() -> UInt32 {
    if next == words.count {
      words = [UInt32](unsafeUninitializedCapacity: Self.wordsPerPiece) { out, filled in
        stream.fill(UnsafeMutableRawBufferPointer(out))
        filled = Self.wordsPerPiece
      }
      next = 0
    }
    defer { next += 1 }
    return UInt32(littleEndian: words[next])
  }
}
