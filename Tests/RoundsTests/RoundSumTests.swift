import Federation
import Rounds
import SecureAggregation
import Tensors
import Testing

@Suite("The sum of plain inputs")
struct RoundSumTests {
  private struct Unreadable: Error {}

  /// A sum, and the uploads of all workers for it.
  private func attempt(strategy: String = "fedavg") throws -> (sum: RoundSum, uploads: [(WorkerID, UploadSource)]) {
    let members = try RoundsMembers(count: 4, aggregation: .plain)
    let cluster = try RoundsCluster(members, plan: members.plan { $0.strategy = strategy })
    cluster.uploads = { _, _ in false }
    cluster.start().drain()
    let plans = cluster.actions.compactMap { if case .openUploads(let plan) = $0 { plan } else { nil } }
    let uploads = try cluster.members.workers.map { name in
      let orders = (cluster.workerActions[name] ?? []).compactMap { (action) -> WorkerStateMachine.UploadOrder? in
        if case .upload(let order) = action { order } else { nil }
      }
      let source = try UploadSource(
        try #require(orders.first), update: cluster.members.update(of: name, isTraining: true))
      return (name, source)
    }
    return (try RoundSum(#require(plans.first)), uploads)
  }

  @Test("Inputs that pass the check add up to their mean, in any order")
  func mean() throws {
    func opened(_ order: ([(WorkerID, UploadSource)]) -> [(WorkerID, UploadSource)]) throws -> [Float] {
      var (sum, uploads) = try attempt()
      uploads = order(uploads)
      for (name, source) in uploads {
        _ = try sum.check(from: name) { source.chunk($0).bytes }
        try sum.add(from: name) { source.chunk($0).bytes }
      }
      let opened = try sum.openPlain()
      #expect(opened.summary.workers == 4)
      return opened.average
    }
    let average = try opened { $0 }
    #expect(average.contains { $0 != 0 })
    #expect(try opened { $0.reversed() } == average)
  }

  private struct Kept: KeptInput {
    let source: UploadSource
    func read(_ number: UInt64) -> [UInt8] { source.chunk(number).bytes }
    func read(_ number: UInt64, bytes: Range<Int>) -> [UInt8] { Array(read(number)[bytes]) }
  }

  @Test("Under a robust rule the average is the rule's, of the kept inputs, in any order")
  func robust() throws {
    func opened(_ order: ([(WorkerID, UploadSource)]) -> [(WorkerID, UploadSource)]) throws -> [Float] {
      var (sum, uploads) = try attempt(strategy: "median")
      #expect(sum.keepsInputs)
      uploads = order(uploads)
      var kept: [WorkerID: any KeptInput] = [:]
      for (name, source) in uploads {
        try sum.add(from: name) { source.chunk($0).bytes }
        kept[name] = Kept(source: source)
      }
      let opened = try sum.openPlain(keeping: kept)
      #expect(opened.summary.workers == 4)
      kept[uploads[0].0] = nil
      #expect(throws: Refusal.badLength) { try sum.openPlain(keeping: kept) }
      return opened.average
    }
    let (_, uploads) = try attempt()
    let rows = uploads.map { _, source -> [Float] in
      var values: [Float] = []
      for (place, vector) in source.header.vectors.enumerated() where vector.id == 2 {
        let first = source.header.vectors[..<place].reduce(0) { $0 + $1.chunkCount }
        for index in 0..<vector.chunkCount { values.append(littleEndian: source.chunk(UInt64(first + index)).bytes) }
      }
      return values
    }
    let expected = rows[0].indices.map { e in
      let sorted = rows.map { Double($0[e]) }.sorted()
      return Float((sorted[1] + sorted[2]) / 2)
    }
    let average = try opened { $0 }
    #expect(average == expected && average.contains { $0 != 0 })
    #expect(try opened { $0.reversed() } == average)
  }

  @Test("A check leaves the sum as it is")
  func check() throws {
    var (sum, uploads) = try attempt()
    for (name, source) in uploads { _ = try sum.check(from: name) { source.chunk($0).bytes } }
    #expect(throws: (any Error).self) { try sum.openPlain() }
  }

  @Test("An input that was checked is read once more to be added, one that was not is read twice; the sum is the same")
  func addsWhatWasChecked() throws {
    func opened(checking: Bool) throws -> (average: [Float], reads: Int) {
      var (sum, uploads) = try attempt()
      var reads = 0
      for (name, source) in uploads {
        if checking { _ = try sum.check(from: name) { source.chunk($0).bytes } }
        try sum.add(from: name) { number in
          reads += 1
          return source.chunk(number).bytes
        }
      }
      return (try sum.openPlain().average, reads)
    }
    let (checked, unchecked) = (try opened(checking: true), try opened(checking: false))
    #expect(checked.average == unchecked.average)
    let uploads = try attempt().uploads.count
    // The auxiliary vector once, and the update's one chunk.
    #expect((checked.reads, unchecked.reads) == (2 * uploads, 3 * uploads))
  }

  @Test("A chunk that cannot be read fails the check and the addition with its own error, whenever it is read")
  func unreadable() throws {
    let (sum, uploads) = try attempt()
    let (name, source) = uploads[0]
    for failing in 1...3 {  // The auxiliary vector, the update when it is checked, the update when it is added.
      var changed = sum
      var reads = 0
      func chunk(_ number: UInt64) throws -> [UInt8] {
        reads += 1
        guard reads < failing else { throw Unreadable() }
        return source.chunk(number).bytes
      }
      #expect(throws: Unreadable.self) { try changed.add(from: name, chunk: chunk) }
      #expect(reads == failing)
    }
  }
}
