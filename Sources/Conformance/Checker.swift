import Cryptography
import Federation
import SecureAggregation

/// Counts the values of one case that agree and keeps those that do not.
struct Checker {
  let name: String
  private(set) var passed = 0
  private(set) var failures: [ConformanceReport.Failure] = []
  private(set) var unchecked = 0

  init(name: String) { self.name = name }

  mutating func fail(_ field: String, expected: String, found: String) {
    failures.append(.init(caseName: name, field: field, expected: expected, found: found))
  }

  /// An input of which the file says only how it was made, by a salt that was not given.
  mutating func leaveUnchecked() { unchecked += 1 }

  private mutating func record(_ agrees: Bool, _ field: String, _ expected: String, _ found: String) {
    if agrees { passed += 1 } else { fail(field, expected: expected, found: found) }
  }

  /// The value in the file against ours, as bytes.
  mutating func bytes(_ expected: VectorValue, _ found: [UInt8]) throws(ConformanceError) {
    let want = try expected.bytes
    record(want == found, expected.path, want.hex, found.hex)
  }

  mutating func bytes(_ expected: VectorValue, _ found: some FixedBytes) throws(ConformanceError) {
    try bytes(expected, found.bytes)
  }

  mutating func bytes(_ expected: VectorValue, _ found: SecretBytes) throws(ConformanceError) {
    try bytes(expected, found.withUnsafeBytes { Array($0) })  // Vectors are no secrets.
  }

  mutating func integer(_ expected: VectorValue, _ found: Int64) throws(ConformanceError) {
    let want = try expected.int64
    record(want == found, expected.path, "\(want)", "\(found)")
  }

  mutating func integer(_ expected: VectorValue, _ found: Int) throws(ConformanceError) {
    try integer(expected, Int64(found))
  }

  mutating func flag(_ expected: VectorValue, _ found: Bool) throws(ConformanceError) {
    let want = try expected.flag
    record(want == found, expected.path, "\(want)", "\(found)")
  }

  mutating func text(_ expected: VectorValue, _ found: String) throws(ConformanceError) {
    let want = try expected.text
    record(want == found, expected.path, want, found)
  }

  /// Binary64 values that agree within `tolerance` or within that part of the expected value, whichever is larger.
  mutating func number(
    _ expected: VectorValue, _ found: Double, tolerance: Double = 1e-9, relative: Double = 1e-9
  ) throws(ConformanceError) {
    let want = try expected.double
    record(abs(want - found) <= max(tolerance, relative * abs(want)), expected.path, "\(want)", "\(found)")
  }

  mutating func numbers(_ expected: VectorValue, _ found: [Double]) throws(ConformanceError) {
    let want = try expected.items
    record(want.count == found.count, expected.path + ".count", "\(want.count)", "\(found.count)")
    for (item, value) in zip(want, found) { try number(item, value) }
  }

  /// A list of whole numbers as one value; the first that differs by more than `tolerance` is named.
  mutating func integers(
    _ expected: VectorValue, _ found: [Int64], tolerance: Int64 = 0
  ) throws(ConformanceError) {
    let want = try expected.int64s
    guard want.count == found.count else {
      fail(expected.path + ".count", expected: "\(want.count)", found: "\(found.count)")
      return
    }
    for i in want.indices {
      let (difference, overflows) = want[i].subtractingReportingOverflow(found[i])
      guard !overflows, difference.magnitude <= tolerance.magnitude else {
        fail("\(expected.path)[\(i)]", expected: "\(want[i])", found: "\(found[i])")
        return
      }
    }
    passed += 1
  }

  mutating func integers(_ expected: VectorValue, _ found: [Int]) throws(ConformanceError) {
    try integers(expected, found.map { Int64($0) })
  }

  /// A statement that must hold.
  mutating func holds(_ field: String, _ claim: String, _ isTrue: Bool) {
    record(isTrue, field, claim, isTrue ? claim : "not so")
  }

  /// What `body` gives; nil, and a failure, if it refuses.
  mutating func accepted<T>(_ field: String, _ body: () throws(Refusal) -> T) -> T? {
    do throws(Refusal) {
      return try body()
    } catch {
      fail(field, expected: "accepted", found: "refused: \(error.rawValue)")
      return nil
    }
  }

  /// Whether a message is `{signed, signature}` with our string and our (deterministic) signature.
  mutating func message(_ expected: VectorValue, _ string: [UInt8], by key: SigningKey) throws(ConformanceError) {
    try bytes(expected["signed"], string)
    try bytes(expected["signature"], key.signature(over: string))
    let signature: Signature = try expected["signature"].fixed()
    holds(
      expected.path + ".signature", "verifies over the string in the file",
      signature.isValid(over: try expected["signed"].bytes, by: key.signingPublicKey))
  }

  /// Adds what another checker, with a better name for the case, has found.
  mutating func take(_ other: Checker) {
    passed += other.passed
    failures += other.failures
    unchecked += other.unchecked
  }
}
