import Federation
import Foundation
import SecureAggregation
import Testing

@testable import ModelRegistry

@Suite("Model card")
struct ModelCardTests {
  /// Cards are recorded in `Cards`; `MURMUR_RECORD=1 swift test --filter ModelCardTests` writes them again.
  private static func recorded(_ name: String, now text: String) throws -> String {
    let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Cards").appending(path: name)
    if ProcessInfo.processInfo.environment["MURMUR_RECORD"] != nil { try Data(text.utf8).write(to: file) }
    return try String(contentsOf: file, encoding: .utf8)
  }

  private static func manifest(_ version: ModelVersion) throws -> Manifest {
    Fixture.manifest(version, of: try Fixture.artifact(version, seed: 3))
  }

  @Test(
    "A card follows from the manifest, byte for byte: the model signatures of published versions cover it",
    arguments: [("first.md", 0), ("later.md", 4)] as [(String, ModelVersion)])
  func golden(_ name: String, _ version: ModelVersion) throws {
    let manifest = try Self.manifest(version)
    let text = ModelCard.text(of: manifest, digest: .sha256(of: try manifest.encoded()))
    #expect(try text == Self.recorded(name, now: text))
  }

  @Test(
    "The size of a cohort is told in powers of ten",
    arguments: [
      (1, "1 worker"), (2, "2 to 9 workers"), (9, "2 to 9 workers"), (10, "10 to 99 workers"),
      (999, "100 to 999 workers"), (1000, "1000 workers or more"),
    ] as [(UInt64, String)])
  func cohort(_ size: UInt64, _ text: String) throws {
    var manifest = try Self.manifest(1)
    manifest.cohortSize = size
    #expect(Self.card(manifest).contains("- Cohort: \(text)\n"))
  }

  @Test("Outputs that are numbers have no accuracy, and a parent that nobody evaluated no metrics")
  func metrics() throws {
    var manifest = try Self.manifest(1)
    #expect(Self.card(manifest).contains("accuracy"))
    manifest.architecture = "features 3 > dense 2 : mean-squared-error"
    #expect(!Self.card(manifest).contains("accuracy"))
    #expect(Self.card(manifest).contains("value: 0.125000\n"))
    manifest.parentMetrics = RoundMetrics(lossSum: 0, correct: 0, evaluated: 0)
    #expect(!Self.card(manifest).contains("model-index"))
    #expect(Self.card(manifest).contains("The parent was not evaluated."))
  }

  @Test(
    "Dates are those of the calendar, in UTC",
    arguments: [
      (0, "1970-01-01"), (951_782_399, "2000-02-28"), (951_782_400, "2000-02-29"), (951_868_800, "2000-03-01"),
      (1_798_761_599, "2026-12-31"), (4_107_542_400, "2100-03-01"), (32_503_680_000, "3000-01-01"),
    ] as [(UInt64, String)])
  func dates(_ seconds: UInt64, _ date: String) throws {
    var manifest = try Self.manifest(1)
    manifest.createdAt = seconds
    #expect(Self.card(manifest).contains("on \(date).\n"))
  }

  private static func card(_ manifest: Manifest) -> String {
    ModelCard.text(of: manifest, digest: Digest(unchecked: [UInt8](repeating: 1, count: 32)))
  }
}
