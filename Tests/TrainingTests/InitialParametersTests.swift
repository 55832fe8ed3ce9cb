import Federation
import GradientKernel
import Tensors
import Testing
import Training

@Suite("Initial parameters")
struct InitialParametersTests {
  /// FNV-1a over the bit patterns.
  private static func digest(_ values: [Float]) -> UInt64 {
    values.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1.bitPattern)) &* 0x100_0000_01B3 }
  }

  private static func values(_ name: String, of set: ParameterSet) -> [Float] {
    Array(set.values[set.layout[name]?.range ?? 0..<0])
  }

  @Test(
    "A seed gives these bits on every machine",
    arguments: [
      ("mlp 64-128-10", 12_576_163_487_451_195_852),
      ("image 2x6x6 > conv2d 5 3x3 glorot > flatten > dense 3 orthogonal", 17_311_824_611_716_636_733),
      ("tokens 9 of 7 > embedding 5 > lstm 6 > dense 7 glorot", 8_892_277_058_548_582_576),
    ] as [(String, UInt64)])
  func bits(text: String, digest: UInt64) throws {
    let found = Self.digest(try ModelArchitecture(parsing: text).initialParameters(seed: 7).values)
    #expect(found == digest)
  }

  @Test("Rows, or columns if there are fewer, are orthonormal", arguments: [(5, 5), (9, 4), (4, 9), (1, 6), (40, 33)])
  func orthonormal(rows: Int, columns: Int) {
    var choices = SeededGenerator(seed: 3, stream: "matrix")
    let matrix = OrthogonalMatrix.random(rows: rows, columns: columns, using: &choices)
    let isWide = rows < columns
    let short = min(rows, columns)
    for a in 0..<short {
      for b in 0..<short {
        let product = (0..<max(rows, columns)).reduce(0.0) {
          isWide
            ? $0 + matrix[a * columns + $1] * matrix[b * columns + $1]
            : $0 + matrix[$1 * columns + a] * matrix[$1 * columns + b]
        }
        #expect(abs(product - (a == b ? 1 : 0)) < 1e-13)
      }
    }
  }

  @Test("Signs are as likely as each other: the mean of many 1 by 1 matrices is near zero")
  func signs() {
    var choices = SeededGenerator(seed: 4, stream: "signs")
    let sum = (0..<1_000).reduce(0.0) { total, _ in
      total + OrthogonalMatrix.random(rows: 1, columns: 1, using: &choices)[0]
    }
    #expect(abs(sum) < 100)
  }

  @Test("Bounds are those of He and Glorot, a kernel's with its window")
  func bounds() throws {
    let text =
      "image 2x9x9 > conv2d 8 3x3 glorot > relu > flatten > dense 50 > relu > dense 20 glorot > relu > dense 3 zeros"
    let set = try ModelArchitecture(parsing: text).initialParameters(seed: 1)
    for (name, bound) in [
      ("layer0.weight", 6 / (18 + 72.0)), ("layer1.weight", 6 / (8 * 49.0)), ("layer2.weight", 6 / 70.0),
    ] {
      let largest = Double(Self.values(name, of: set).map(abs).max() ?? 0)
      #expect(largest <= bound.squareRoot() && largest > 0.9 * bound.squareRoot(), "\(name)")
    }
    #expect(Self.values("layer3.weight", of: set).allSatisfy { $0 == 0 })
    for i in 0..<4 { #expect(Self.values("layer\(i).bias", of: set).allSatisfy { $0 == 0 }) }
  }

  @Test("An LSTM remembers at first: forget biases are 1, recurrent weights of every gate orthogonal")
  func recurrent() throws {
    let units = 12
    let set = try ModelArchitecture(parsing: "tokens 4 of 5 > embedding 3 > lstm 12 > dense 5")
      .initialParameters(seed: 2)
    let expected = (0..<4 * units).map { Float($0 / units == 1 ? 1 : 0) }
    #expect(Self.values("layer1.bias", of: set) == expected)
    let weights = Self.values("layer1.weight_hh", of: set)
    for gate in 0..<4 {
      let rows = (0..<units).map { Array(weights[(gate * units + $0) * units..<(gate * units + $0 + 1) * units]) }
      for a in 0..<units {
        for b in 0..<units {
          let product = zip(rows[a], rows[b]).reduce(Float(0)) { $0 + $1.0 * $1.1 }
          #expect(abs(product - (a == b ? 1 : 0)) < 1e-5)
        }
      }
    }
  }
}
