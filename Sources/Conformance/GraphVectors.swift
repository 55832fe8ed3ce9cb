import Cryptography
import Federation
import SecureAggregation

/// Sparse graphs by transcript, their spectrum and a pruning.
enum GraphVectors {
  static func check(_ item: VectorValue, _ checker: inout Checker) throws(ConformanceError) {
    let n = try item["n"].int(in: 1...10_000)
    let transcript = try item["transcript"].digest
    let built = checker.accepted("n = \(n)") { () throws(Refusal) in
      try SparseGraph(transcript: transcript, rosterCount: n)
    }
    guard let graph = built else { return }
    try checker.integer(item["counter"], Int(graph.counter))
    try checker.bytes(item["key"], SparseGraph.key(transcript: transcript, counter: graph.counter))
    try checker.integer(item["degree"], graph.row.degree)
    try checker.integer(item["threshold"], graph.row.threshold)
    try checker.number(item["lambdaBound"], graph.row.lambdaBound)
    try checker.number(item["lambda2"], graph.lambda2)
    for (counter, value) in try item["earlierLambda2"].items.enumerated() {
      let offsets = SparseGraph.draw(
        transcript: transcript, n: n, degree: graph.row.degree, counter: UInt32(counter)
      ).offsets
      try checker.number(value, SparseGraph.lambda2(n: n, offsets: offsets))
    }
    try checker.integers(
      item["permutationHead"], Array(graph.permutation.prefix(try item["permutationHead"].items.count)))
    var whole = CanonicalBytes()
    for position in graph.permutation { whole.append(UInt32(position)) }
    try checker.bytes(item["permutationDigest"], Digest.sha256(of: whole.bytes))
    try checker.integers(item["offsets"], graph.offsets)
    for (worker, neighbours) in try item["neighbours"].numbered {
      guard (0..<n).contains(worker) else { throw neighbours.malformed("no worker of this roster") }
      try checker.integers(neighbours, graph.neighbours(of: worker))
    }
    let dropped = try item["dropped"].ints
    guard dropped.allSatisfy((0..<n).contains) else { throw try item["dropped"].malformed("no workers of this roster") }
    let gone = Set(dropped)
    let alive = (0..<n).filter { !gone.contains($0) }
    let core = graph.core(of: Bitmap(members: alive, count: n), threshold: graph.row.threshold)
    try checker.integer(item["core"]["count"], core.memberCount)
    try checker.integers(item["core"]["lost"], alive.filter { !core.contains($0) })
  }
}
