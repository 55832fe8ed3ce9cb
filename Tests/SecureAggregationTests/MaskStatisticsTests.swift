import Cryptography
import Federation
import SecureAggregation
import Testing

/// What a masked input shows: nothing (§ "Test oracles" of the reference: masks).
@Suite("Statistics of masked inputs")
struct MaskStatisticsTests {
  private static let count = 65_536
  private static let rings: [UInt8] = [16, 24, 32, 64]

  private func transcript(_ number: UInt8) -> Digest { .sha256(of: [number]) }

  /// Worker 1 of four masks `value`, the same for every element; its secrets follow from `seed`.
  private func masked(_ value: Int64, ringBits: UInt8, transcript: Digest, seed: String = "s") throws -> [UInt8] {
    let source = SeededSecretSource(seed: Array(seed.utf8))
    let secrets = (0..<4).map { _ in source.secret(32) }
    var shared: [Int: SecretBytes] = [:]
    for peer in [0, 2, 3] {
      shared[peer] = try Agreement.sharedSecret(secrets[1], Agreement.publicKey(of: secrets[peer]))
    }
    let vector = VectorSpecification(
      id: 0, ringBits: ringBits, count: UInt64(Self.count), chunkElements: UInt32(Self.count))
    let keys = MaskKeys(
      transcript: transcript, worker: 1, vector: vector, suite: .aes128, selfMaskSeed: source.secret(32),
      sharedSecrets: shared)
    return try InputChunks(
      transcript: transcript, worker: 1, vector: vector,
      source: .quantised([Int64](repeating: value, count: Self.count)), keys: keys
    ).chunk(0)
  }

  /// The largest integer that an encoder gives in this ring for four workers.
  private func largest(_ ringBits: UInt8) -> Int64 { (1 << (Int64(ringBits) - 3)) - 1 }

  /// Every test of uniformity that these lanes fail.
  private func failures(_ bytes: [UInt8], _ unit: Int) -> [String] {
    var failed = (0..<unit).filter {
      Statistics.uniformity(of: Statistics.counts(bytes, unit: unit, position: $0)) > Statistics.unlikely
    }.map { "χ² of byte \($0)" }
    if Statistics.monobit(bytes) > Statistics.unlikely { failed.append("monobit") }
    if Statistics.kolmogorovSmirnov(Statistics.fractions(bytes, unit: unit)) > 2.5 { failed.append("lanes") }
    return failed
  }

  @Test("Masked lanes are uniform in every ring, whatever the input is", arguments: rings)
  func uniform(_ ringBits: UInt8) throws {
    for value in [0, largest(ringBits), -largest(ringBits)] {
      let bytes = try masked(value, ringBits: ringBits, transcript: transcript(1))
      #expect(failures(bytes, Int(ringBits) / 8) == [], "input \(value)")
    }
  }

  @Test("Lanes in which one byte of 64 is left unmasked are not uniform", arguments: rings)
  func noticesBias(_ ringBits: UInt8) throws {
    var bytes = try masked(0, ringBits: ringBits, transcript: transcript(1))
    for index in stride(from: 0, to: bytes.count, by: 64) { bytes[index] = 0 }
    #expect(failures(bytes, Int(ringBits) / 8) != [])
  }

  /// χ² of two samples over the values of every byte of a lane: the largest of them.
  private func largestDifference(_ a: [UInt8], _ b: [UInt8], _ unit: Int) -> Double {
    (0..<unit).map { position in
      Statistics.difference(
        Statistics.counts(a, unit: unit, position: position), Statistics.counts(b, unit: unit, position: position))
    }.max() ?? .infinity
  }

  @Test("A masked zero and a masked largest value cannot be told apart; unmasked they can", arguments: rings)
  func indistinguishable(_ ringBits: UInt8) throws {
    let unit = Int(ringBits) / 8
    let zero = try masked(0, ringBits: ringBits, transcript: transcript(1), seed: "one worker")
    let largest = try masked(largest(ringBits), ringBits: ringBits, transcript: transcript(1), seed: "another")
    #expect(largestDifference(zero, largest, unit) < Statistics.unlikely)
    func plain(_ value: Int64) throws -> [UInt8] {
      let vector = VectorSpecification(
        id: 0, ringBits: ringBits, count: UInt64(Self.count), chunkElements: UInt32(Self.count))
      return try InputChunks(
        transcript: transcript(1), worker: 1, vector: vector,
        source: .quantised([Int64](repeating: value, count: Self.count)), keys: MaskKeys(terms: [])
      ).chunk(0)
    }
    #expect(largestDifference(try plain(0), try plain(self.largest(ringBits)), unit) > 100)
  }

  @Test("The same input masked in two attempts with the same secrets does not correlate; in one attempt it does")
  func uncorrelated() throws {
    for ringBits in Self.rings {
      let unit = Int(ringBits) / 8
      let lanes = try [1, 2, 1].map {
        Statistics.fractions(try masked(5, ringBits: ringBits, transcript: transcript($0)), unit: unit)
      }
      #expect(abs(Statistics.correlation(lanes[0], lanes[1])) < Statistics.unlikely, "k = \(ringBits)")
      #expect(Statistics.correlation(lanes[0], lanes[2]) > 100, "k = \(ringBits)")
    }
  }
}
