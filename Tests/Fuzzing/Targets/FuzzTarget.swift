/// What is fuzzed. The raw value names the target to the program (`.ci/fuzz`) and its corpus (`Tests/Fuzzing/Corpus`).
///
/// A target takes any bytes. A trap is a finding; so is a claim that does not hold, which `check` describes.
package enum FuzzTarget: String, CaseIterable, Sendable {
  /// Header frames of every socket: `WireFrames`.
  case wire
  /// Everything that is read in canonical form: `CanonicalForms`.
  case canonical
  /// Files and requests that are text or half text: `Documents`.
  case documents
  /// Bodies that clients of serving nodes send: `InferenceBodies`.
  case inference
  /// One attempt of secure aggregation under a dishonest coordinator and worker: `FuzzedAttempt`.
  case attempt
  /// One run, with the machines that own attempts: `FuzzedRun`.
  case run
  /// A bug that is there on purpose. A fuzzer that does not find it is asleep.
  case planted

  /// What is fuzzed for its own sake.
  package static let real = allCases.filter { $0 != .planted }

  /// Nil if everything held; otherwise what did not.
  package func check(_ bytes: [UInt8]) -> Finding? {
    do throws(Finding) {
      switch self {
      case .wire: try WireFrames.check(bytes)
      case .canonical: try CanonicalForms.check(bytes)
      case .documents: try Documents.check(bytes)
      case .inference: try InferenceBodies.check(bytes)
      case .attempt: try FuzzedAttempt.check(bytes)
      case .run: try FuzzedRun.check(bytes)
      case .planted: try Planted.check(bytes)
      }
      return nil
    } catch {
      return error
    }
  }
}

/// A claim that an input showed to be wrong.
package struct Finding: Error, Equatable, CustomStringConvertible {
  package let description: String
  package init(_ description: String) { self.description = description }

  /// - Throws: itself, if the claim does not hold.
  static func unless(_ claim: Bool, _ description: @autoclosure () -> String) throws(Finding) {
    if !claim { throw Finding(description()) }
  }
}

/// Three bytes in a row that only a fuzzer guided by coverage comes upon in seconds: one in 2^24 by chance.
enum Planted {
  static func check(_ bytes: [UInt8]) throws(Finding) {
    guard bytes.count > 2, bytes[0] == 0x4D else { return }
    guard bytes[1] == 0x75 else { return }
    try Finding.unless(bytes[2] != 0x72, "the planted bug")
  }
}
