import CKernels
import Federation
import Testing

/// Bytes that are the same in every run.
private func randomBytes(_ count: Int, seed: UInt64) -> [UInt8] {
  var generator = SeededGenerator(seed: seed)
  return (0..<count).map { _ in UInt8(truncatingIfNeeded: generator.next() >> 32) }
}

@Suite("Ring kernels beside the reference")
struct RingKernelTests {
  static var tables: [ck_ring_table] {
    [CK_CLASS_BASE, CK_CLASS_AVX2, CK_CLASS_AVX512].compactMap { ck_ring_table_for($0)?.pointee }
  }
  private static var reference: ck_ring_table { ck_ring_reference_table().pointee }

  /// Below, at and beyond every register and every unrolled step.
  static let counts = Array(0...40) + [63, 64, 65, 127, 129, 1000]

  private typealias Accumulate = @convention(c) (Int, UnsafeMutableRawPointer?, UnsafeRawPointer?) -> Void

  /// Bytes of a lane in memory and on the wire, and both directions.
  private func accumulators(_ table: ck_ring_table) -> [(memory: Int, wire: Int, call: Accumulate)] {
    [
      (2, 2, table.add16), (2, 2, table.subtract16), (4, 3, table.add24), (4, 3, table.subtract24),
      (4, 4, table.add32), (4, 4, table.subtract32), (8, 8, table.add64), (8, 8, table.subtract64),
    ]
  }

  @Test("Lanes and streams of any length and at any address add up alike, and nothing beside them is touched")
  func accumulate() {
    for table in Self.tables {
      for (fast, plain) in zip(accumulators(table), accumulators(Self.reference)) {
        for count in Self.counts {
          for offset in [0, 1, 3, 5, 8, 15] {
            let lanes = randomBytes(offset + count * fast.memory + 40, seed: UInt64(count))
            // The stream ends where its buffer does, so that a sanitizer sees what is read beyond.
            let stream = randomBytes(offset + count * fast.wire, seed: UInt64(count + 7))
            func result(_ call: Accumulate) -> [UInt8] {
              var sum = lanes
              sum.withUnsafeMutableBytes { sum in
                stream.withUnsafeBytes { stream in
                  guard let target = sum.baseAddress, let source = stream.baseAddress else { return }
                  call(count, target + offset, source + offset)
                }
              }
              return sum
            }
            #expect(result(fast.call) == result(plain.call), "\(String(cString: table.name)), \(count) at \(offset)")
          }
        }
      }
    }
  }

  @Test("Lanes of 24 bits pack alike, and nothing beside them is touched")
  func pack() {
    for table in Self.tables {
      for count in Self.counts {
        for offset in [0, 1, 3, 7] {
          let lanes = randomBytes(offset + 4 * count, seed: UInt64(count))
          func result(_ table: ck_ring_table) -> [UInt8] {
            var out = [UInt8](repeating: 0x5a, count: offset + 3 * count + 40)
            out.withUnsafeMutableBytes { out in
              lanes.withUnsafeBytes { lanes in
                guard let target = out.baseAddress, let source = lanes.baseAddress else { return }
                table.pack24(count, source + offset, target + offset)
              }
            }
            return out
          }
          #expect(result(table) == result(Self.reference), "\(String(cString: table.name)), \(count) at \(offset)")
        }
      }
    }
  }

  /// Values that round in every way: integers, halves, next to integers, next to ±B, beyond it, and far beyond 2^53.
  private func values(_ count: Int, bound: Double, step: Double) -> [Double] {
    var generator = SeededGenerator(seed: UInt64(count))
    let special: [Double] = [
      0, -0.0, 1, -1, 0.5, -0.5, bound, -bound, bound + 0.25, -bound - 0.25, bound - 0.25, bound.nextUp, 1e-300,
      -1e-300,
      .leastNonzeroMagnitude, -.leastNonzeroMagnitude, 1e16, -1e16, 1e300, 4_503_599_627_370_497.5,
    ]
    return (0..<count).map { e in
      let v =
        e % 3 == 0 ? special[(e / 3) % special.count] : Double.random(in: -bound * 1.1...bound * 1.1, using: &generator)
      return v * step
    }
  }

  @Test(
    "The quantiser gives the reference's lanes and its count of clamped ones for every value",
    arguments: [100.0, 32_767, 8_388_607, 2_147_483_647])
  func quantise(_ bound: Double) {
    let step = 0.037
    for table in Self.tables {
      for count in Self.counts {
        let values = values(count, bound: bound, step: step)
        let singles = values.map { Float($0).isFinite ? Float($0) : Float.greatestFiniteMagnitude }
        let words = randomBytes(4 * count + 1, seed: 3)
        func result(_ table: ck_ring_table, _ width: Int) -> [[UInt8]] {
          var lanes = [[UInt8]](repeating: [UInt8](repeating: 0x33, count: count * width + 9), count: 2)
          var clamped = [0, 0]
          words.withUnsafeBytes { words in
            let words = words.baseAddress.map { $0 + 1 }
            lanes[0].withUnsafeMutableBytes { out in
              let out = out.baseAddress.map { $0 + 1 }
              clamped[0] =
                width == 2
                ? table.quantise_single16(count, singles, 0.731, step, bound, words, out)
                : table.quantise_single32(count, singles, 0.731, step, bound, words, out)
            }
            lanes[1].withUnsafeMutableBytes { out in
              let out = out.baseAddress.map { $0 + 1 }
              clamped[1] =
                width == 2
                ? table.quantise_double16(count, values, step, bound, words, out)
                : table.quantise_double32(count, values, step, bound, words, out)
            }
          }
          return lanes + clamped.map { withUnsafeBytes(of: $0) { Array($0) } }
        }
        for width in bound <= 32_767 ? [2, 4] : [4] {
          #expect(result(table, width) == result(Self.reference, width), "\(String(cString: table.name)), \(count)")
        }
      }
    }
  }

  @Test("The reference rounds up exactly where the random word is below the fraction")
  func referenceRounding() {
    let words: [UInt32] = [0x7fff_ffff, 0x8000_0000, 0, 0, 0xffff_ffff]
    let values = [2.5, 2.5, 3, -2.25, -2.25]
    var lanes = [Int32](repeating: 0, count: 5)
    #expect(Self.reference.quantise_double32(5, values, 1, 2, words, &lanes) == 3)
    #expect(lanes == [2, 2, 2, -2, -2])
    #expect(Self.reference.quantise_double32(5, values, 1, 100, words, &lanes) == 0)
    #expect(lanes == [3, 2, 3, -2, -3])
  }

  @Test("Any grouping of Walsh–Hadamard stages and butterflies gives the bits of stage after stage")
  func hadamard() {
    for table in Self.tables {
      for power in 0...13 {
        let count = 1 << power
        var generator = SeededGenerator(seed: UInt64(power))
        let x = (0..<count).map { _ in Double.random(in: -1...1, using: &generator) }
        var expected = x
        Self.reference.hadamard_block(count, &expected)
        var whole = x
        table.hadamard_block(count, &whole)
        #expect(whole.map(\.bitPattern) == expected.map(\.bitPattern), "\(String(cString: table.name)), \(count)")
        for stages in 1...3 {
          var passes = x
          var h = 1
          while h < count {
            let now = min(stages, (count / h).trailingZeroBitCount)
            let butterflies = count >> now
            let cut = butterflies / 3  // In the middle of a row, as threads would.
            table.hadamard_pass(cut, butterflies, h, UInt32(now), &passes)
            table.hadamard_pass(0, cut, h, UInt32(now), &passes)
            h <<= now
          }
          #expect(passes.map(\.bitPattern) == expected.map(\.bitPattern), "\(String(cString: table.name)), \(count)")
        }
      }
    }
  }

  @Test("Signs flip and values scale as in the reference")
  func signsAndScale() {
    let bits = randomBytes(200, seed: 1)
    for table in Self.tables {
      for count in Self.counts {
        let x = (0..<count).map { Double($0) - 3.25 }
        func result(_ table: ck_ring_table) -> [UInt64] {
          var y = x
          table.flip_signs(count, &y, bits)
          table.scale(count, &y, 1.0 / 3)
          return y.map(\.bitPattern)
        }
        #expect(result(table) == result(Self.reference), "\(String(cString: table.name)), \(count)")
      }
    }
  }

  @Test("Lanes of any length and at any address read as the same numbers")
  func widen() {
    typealias Single = @convention(c) (Int, UnsafeRawPointer?, Double, UnsafeMutablePointer<Float>?) -> Void
    typealias Double64 = @convention(c) (Int, UnsafeRawPointer?, Double, UnsafeMutablePointer<Double>?) -> Void
    func singles(_ table: ck_ring_table) -> [Single] {
      [table.widen16_single, table.widen24_single, table.widen32_single, table.widen64_single]
    }
    func doubles(_ table: ck_ring_table) -> [Double64] {
      [table.widen16_double, table.widen24_double, table.widen32_double, table.widen64_double]
    }
    let scale = 1.0 / 3
    for table in Self.tables {
      for count in Self.counts {
        let lanes = randomBytes(8 * count + 1, seed: UInt64(count))
        func numbers(_ table: ck_ring_table) -> [[UInt64]] {
          singles(table).map { widen in
            var out = [Float](repeating: 9, count: count + 3)
            lanes.withUnsafeBytes { widen(count, $0.baseAddress.map { $0 + 1 }, scale, &out) }
            return out.map { UInt64($0.bitPattern) }
          }
            + doubles(table).map { widen in
              var out = [Double](repeating: 9, count: count + 3)
              lanes.withUnsafeBytes { widen(count, $0.baseAddress.map { $0 + 1 }, scale, &out) }
              var narrowed = [Float](repeating: 9, count: count + 3)
              table.narrow(count, out, &narrowed)
              return out.map(\.bitPattern) + narrowed.map { UInt64($0.bitPattern) }
            }
        }
        #expect(numbers(table) == numbers(Self.reference), "\(String(cString: table.name)), \(count)")
      }
    }
    var number = 0.0
    Self.reference.widen24_double(1, [UInt8](arrayLiteral: 0xff, 0xff, 0xff, 0x12), 2, &number)
    #expect(number == -2)
  }
}
