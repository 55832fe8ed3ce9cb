import Foundation

/// How our code compares with a file of vectors: every value in it, and what differs.
package struct ConformanceReport: Sendable {
  /// One value that differs.
  package struct Failure: Hashable, Sendable, CustomStringConvertible {
    package let caseName: String
    package let field: String
    package let expected: String
    package let found: String

    package var description: String { "\(caseName): \(field): expected \(expected), found \(found)" }
  }

  /// What a file holds, recognised by its first case.
  package enum Kind: String, Sendable, CaseIterable {
    case core = "masks and shares"
    case messages = "complete rounds"
    case encoder
    case thresholds
    case graph = "sparse graph"
    case refused = "refusals"
  }

  package let kind: Kind
  package let caseCount: Int
  package private(set) var passed = 0
  package private(set) var failures: [Failure] = []
  /// Inputs that the file names by the known-answer rule and a salt that was not given: what follows from them was not
  /// compared.
  package private(set) var unchecked = 0
  package var failed: Int { failures.count }

  init(kind: Kind, caseCount: Int) {
    self.kind = kind
    self.caseCount = caseCount
  }

  /// Checks every value of a file of SA1 vectors against this implementation.
  ///
  /// - Parameters:
  ///   - path: `-` is standard input.
  ///   - salt: of the known-answer rule, with which the file was made; empty for the published files. Needed where a
  ///     file does not hold its inputs but names them by that rule. A case that has a field `salt` is of that one.
  /// - Throws: `ConformanceError` for a file that cannot be read, is not JSON, or is of no known kind.
  package static func check(file path: String, salt: String = "") throws(ConformanceError) -> ConformanceReport {
    let data: Data
    do {
      data =
        path == "-"
        ? try FileHandle.standardInput.readToEnd() ?? Data() : try Data(contentsOf: URL(filePath: path))
    } catch {
      throw .unreadable(file: path, reason: error.localizedDescription)
    }
    let root: JSONValue
    do {
      root = try JSONDecoder().decode(JSONValue.self, from: data)
    } catch {
      throw .notJSON(file: path, reason: describe(error))
    }
    do throws(ConformanceError) {
      return try check(VectorValue(value: root, path: ""), salt: salt)
    } catch {
      throw error.in(file: path)
    }
  }

  private static func check(_ root: VectorValue, salt: String) throws(ConformanceError) -> ConformanceReport {
    if let known = try root.optional("protocol"), try known.text != "murmuration/sa1" {
      throw known.malformed("expected murmuration/sa1, found \(try known.text)")
    }
    let cases = try root.optional("cases")?.items ?? [root]  // One case alone is a file, too.
    guard let first = cases.first else { throw root.malformed("holds no cases") }
    guard let kind = kind(of: first) else { throw .unknownKind(file: "", found: first.value.kind) }
    var report = ConformanceReport(kind: kind, caseCount: cases.count)
    for (number, item) in cases.enumerated() {
      var checker = Checker(name: try item.optional("name")?.text ?? "case \(number)")
      try run(kind, item, try item.optional("salt")?.text ?? salt, &checker)
      report.passed += checker.passed
      report.unchecked += checker.unchecked
      report.failures += checker.failures
    }
    return report
  }

  private static func kind(of item: VectorValue) -> Kind? {
    let marks: [(Kind, String)] = [
      (.refused, "refuse"), (.messages, "configurationFields"), (.encoder, "signHeads"), (.graph, "lambda2"),
      (.thresholds, "organisationSizes"), (.core, "vectorID"),
    ]
    return marks.first { item.has($0.1) }?.0
  }

  private static func run(
    _ kind: Kind, _ item: VectorValue, _ salt: String, _ checker: inout Checker
  ) throws(ConformanceError) {
    switch kind {
    case .core: try CoreVectors.check(item, salt, &checker)
    case .messages: try MessageVectors.check(item, salt, &checker)
    case .encoder: try EncoderVectors.check(item, salt, &checker)
    case .thresholds: try ThresholdVectors.check(item, &checker)
    case .graph: try GraphVectors.check(item, &checker)
    case .refused: try RefusedVectors.check(item, &checker)
    }
  }

  private static func describe(_ error: any Error) -> String {
    guard case .dataCorrupted(let context)? = error as? DecodingError else { return error.localizedDescription }
    guard let cause = context.underlyingError as NSError? else { return context.debugDescription }
    return (cause.userInfo[NSDebugDescriptionErrorKey] as? String) ?? context.debugDescription
  }
}

/// Why a file could not be checked at all.
package enum ConformanceError: Error, Hashable, Sendable, CustomStringConvertible {
  case unreadable(file: String, reason: String)
  case notJSON(file: String, reason: String)
  /// JSON, but neither the cases nor one case of a kind that is known.
  case unknownKind(file: String, found: String)
  /// Of a known kind, but a value is missing, of another type or out of range.
  case malformed(file: String = "", path: String, reason: String)

  func `in`(file: String) -> ConformanceError {
    switch self {
    case .unreadable(_, let reason): .unreadable(file: file, reason: reason)
    case .notJSON(_, let reason): .notJSON(file: file, reason: reason)
    case .unknownKind(_, let found): .unknownKind(file: file, found: found)
    case .malformed(_, let path, let reason): .malformed(file: file, path: path, reason: reason)
    }
  }

  package var description: String {
    switch self {
    case .unreadable(let file, let reason): "\(file): cannot be read: \(reason)"
    case .notJSON(let file, let reason): "\(file): is not JSON: \(reason)"
    case .unknownKind(let file, let found):
      "\(file): expected vectors of SA1 (masks, rounds, encoder, thresholds, graph, refusals), found \(found) "
        + "of no known kind"
    case .malformed(let file, let path, let reason): "\(file): \(path.isEmpty ? "the file" : path): \(reason)"
    }
  }
}
