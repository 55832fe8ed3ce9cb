import Federation
import Testing

@testable import Simulation

@Suite("Delta debugging")
struct DeltaDebuggingTests {
  @Test("What every failure needs is found, and nothing else", arguments: 0..<200 as Range<UInt64>)
  func findsNeeded(seed: UInt64) {
    var choices = SeededGenerator(seed: seed, stream: "needed")
    let count = Int(choices.next() % 40) + 1
    let needed = Set((0..<Int(choices.next() % 5)).map { _ in Int(choices.next() % UInt64(count)) })
    var tests: [[Int]] = []
    let found = DeltaDebugging.minimum(of: Array(0..<count)) { part in
      tests.append(part)
      return needed.isSubset(of: part)
    }
    #expect(found == needed.sorted())
    #expect(Set(tests).count == tests.count)
    #expect(tests.count <= count * count + 10)
  }

  /// Fails if a hash says so, and with all items.
  @Test(
    "Whatever fails when, the result fails, and does not without any one of its items",
    arguments: 0..<200 as Range<UInt64>)
  func isOneMinimal(seed: UInt64) {
    var choices = SeededGenerator(seed: seed, stream: "any")
    let items = Array(0..<Int(choices.next() % 24) + 1)
    func fails(_ part: [Int]) -> Bool {
      var generator = SeededGenerator(seed: seed, stream: "\(part)")
      return part == items || generator.next() % 3 == 0
    }
    let found = DeltaDebugging.minimum(of: items) { fails($0) }
    #expect(fails(found) || found.isEmpty)
    #expect(found == found.sorted())
    for place in found.indices where found.count > 1 {
      var rest = found
      rest.remove(at: place)
      #expect(!fails(rest))
    }
  }

  @Test("Of several reasons one is left")
  func findsOneReason() {
    let reasons: [Set<Int>] = [[3, 17], [5, 6, 30], [12, 13]]
    let found = DeltaDebugging.minimum(of: Array(0..<32)) { part in reasons.contains { $0.isSubset(of: part) } }
    #expect(reasons.contains(Set(found)))
  }

  @Test("What fails with nothing needs nothing")
  func findsNothing() {
    #expect(DeltaDebugging.minimum(of: [1, 2, 3]) { _ in true }.isEmpty)
    #expect(DeltaDebugging.minimum(of: [Int]()) { _ in true }.isEmpty)
  }
}
