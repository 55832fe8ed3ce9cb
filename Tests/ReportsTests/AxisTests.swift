import Testing

@testable import Reports

@Suite("Axes")
struct AxisTests {
  @Test(
    "Marks are multiples of 1, 2 or 5 times a power of ten, written with as many digits as they need",
    arguments: [
      ([0.0, 1.0], ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]), ([0, 20], ["0", "5", "10", "15", "20"]),
      ([0.93, 0.951], ["0.930", "0.935", "0.940", "0.945", "0.950", "0.955"]), ([-3, 4], ["-4", "-2", "0", "2", "4"]),
    ] as [([Double], [String])])
  func ticks(values: [Double], texts: [String]) {
    #expect(Axis.linear("a", around: values).ticks.map(\.text) == texts)
  }

  @Test("An axis of whole things marks no fractions")
  func whole() {
    #expect(Axis.fitted("round", from: 0, to: 3, isWhole: true).ticks.map(\.text) == ["0", "1", "2", "3"])
  }

  @Test("Bars stand on 0, and a bound that cannot be exceeded is the end of the axis")
  func bounds() {
    #expect(Axis.linear("b", around: [7, 9], includesZero: true).ticks.first?.text == "0")
    let accuracy = Axis.linear("accuracy", around: [0.55, 0.997], limits: 0...1)
    #expect(accuracy.place(1) == 1)
    #expect(accuracy.ticks.last?.text == "1.0")
  }

  @Test(
    "Values lie between the ends, one alone in the middle", arguments: [[0.4], [3, 3], [1e-6, 2e-6], [-5, 1e9], []])
  func places(values: [Double]) {
    let axis = Axis.linear("x", around: values)
    #expect(values.allSatisfy { (-1e-9...1 + 1e-9).contains(axis.place($0)) })
    #expect(axis.ticks.count >= 2)
    if values == [0.4] { #expect(abs(axis.place(0.4) - 0.5) < 0.41) }
  }

  @Test("On a logarithmic axis equal factors are equal lengths")
  func logarithmic() {
    let axis = Axis.logarithmic("lr", marking: [0.01, 0.1, 1].map { .init(value: $0, text: "\($0)") })
    #expect(abs((axis.place(0.1) - axis.place(0.01)) - (axis.place(1) - axis.place(0.1))) < 1e-12)
  }

  @Test(
    "Durations and sizes are told in a unit that can be read",
    arguments: [
      (NumberText.duration(0.653), "0.65 s"), (NumberText.duration(2460), "41.0 min"),
      (NumberText.duration(26_280), "7.3 h"), (NumberText.bytes(512), "512 B"), (NumberText.bytes(39_117), "38.2 KiB"),
    ])
  func units(found: String, expected: String) { #expect(found == expected) }
}
