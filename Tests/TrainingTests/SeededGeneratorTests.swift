import Federation
import Foundation
import Testing
import Training

@Suite("Seeded choices")
struct SeededGeneratorTests {
  @Test("The stream of a seed is fixed for ever, and each purpose has its own")
  func stream() {
    var choices = SeededGenerator(seed: 0)
    #expect((0..<2).map { _ in choices.next() } == [0xE220_A839_7B1D_CDAF, 0x6E78_9E6A_A1B9_65F4])
    var one = SeededGenerator(seed: 0, stream: "one")
    var two = SeededGenerator(seed: 0, stream: "two")
    #expect(one.next() != two.next())
  }

  @Test("Logarithm and exponential agree with the C library's")
  func portableMath() {
    var choices = SeededGenerator(seed: 1)
    for _ in 0..<2_000 {
      let x = choices.unit() * 1e3 + 1e-12
      #expect(abs(PortableMath.log(x) - log(x)) <= 4e-16 * max(1, abs(log(x))))
      let y = choices.unit() * 100 - 60
      #expect(abs(PortableMath.exp(y) / exp(y) - 1) < 1e-14)
    }
    #expect(PortableMath.log(0) == -.infinity)
    #expect(PortableMath.log(1) == 0)
    #expect(PortableMath.exp(0) == 1)
    #expect(PortableMath.exp(-1e9) == 0)
    #expect(PortableMath.exp(1e9) == .infinity)
  }

  @Test("Gamma variates have their mean and variance", arguments: [0.1, 0.5, 1, 3, 20])
  func gamma(shape: Double) {
    var choices = SeededGenerator(seed: 5)
    let count = 20_000
    let draws = (0..<count).map { _ in choices.gamma(shape: shape) }
    let mean = draws.reduce(0, +) / Double(count)
    let variance = draws.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(count)
    // Five standard errors; the fourth central moment of a gamma is 3k² + 6k.
    #expect(abs(mean - shape) < 5 * (shape / Double(count)).squareRoot())
    #expect(abs(variance - shape) < 5 * ((2 * shape * shape + 6 * shape) / Double(count)).squareRoot())
    #expect(draws.allSatisfy { $0 >= 0 && $0.isFinite })
  }

  @Test("Indices reach every value below their bound and none beyond")
  func indices() {
    var choices = SeededGenerator(seed: 2)
    var counts = [Int](repeating: 0, count: 7)
    for _ in 0..<7_000 { counts[choices.index(below: 7)] += 1 }
    #expect(counts.allSatisfy { (800...1_200).contains($0) })
    #expect(choices.index(below: 1) == 0)
  }

  @Test("A shuffle keeps the elements")
  func shuffle() {
    var choices = SeededGenerator(seed: 3)
    var elements = Array(0..<100)
    choices.shuffle(&elements)
    #expect(elements != Array(0..<100))
    #expect(elements.sorted() == Array(0..<100))
  }
}
