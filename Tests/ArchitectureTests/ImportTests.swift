import Foundation
import Testing

/// The arrows between modules that a manifest cannot forbid.
@Suite struct ImportTests {
  private static let sources = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "Sources")

  /// Modules that compute and do nothing else.
  static let pure = [
    "Aggregation", "Compression", "Cryptography", "Federation", "GradientKernel", "Hosting", "Inference", "Membership",
    "Observability", "Reports", "Rounds", "SecureAggregation", "Serving", "Tensors", "Transfer",
  ]

  /// Of every Swift file: its module, its path under Sources, and what it imports.
  static let imports: [(module: String, file: String, imported: Set<String>)] = {
    let enumerator = FileManager.default.enumerator(atPath: sources.path)
    var found: [(String, String, Set<String>)] = []
    while let file = enumerator?.nextObject() as? String {
      guard file.hasSuffix(".swift"), let text = try? String(contentsOf: sources.appending(path: file), encoding: .utf8)
      else { continue }
      found.append((String(file.split(separator: "/")[0]), file, modules(importedBy: text)))
    }
    return found
  }()

  /// `import A`, `@preconcurrency import A`, `internal import struct A.B` all import A.
  static func modules(importedBy text: String) -> Set<String> {
    var found: Set<String> = []
    for line in text.split(separator: "\n") {
      let words = line.split(separator: " ")
      guard let position = words.firstIndex(of: "import"), position + 1 < words.count else { continue }
      let before = words[..<position]
      let modifiers: Set<Substring> = ["public", "package", "internal", "fileprivate", "private"]
      guard before.allSatisfy({ $0.hasPrefix("@") || modifiers.contains($0) }) else { continue }
      let kinds: Set<Substring> = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias"]
      let name = kinds.contains(words[position + 1]) && position + 2 < words.count ? position + 2 : position + 1
      found.insert(String(words[name].split(separator: ".")[0]))
    }
    return found
  }

  @Test(
    "Imports are found in every form",
    arguments: [
      ("import Foundation", ["Foundation"]), ("@preconcurrency import Glibc", ["Glibc"]),
      ("internal import CZeroMQ", ["CZeroMQ"]), ("import struct Foundation.Data", ["Foundation"]),
      ("// import Foundation is not allowed", []), ("  let text = \"import\"", []),
    ] as [(String, Set<String>)])
  func finds(line: String, modules: Set<String>) { #expect(Self.modules(importedBy: line) == modules) }

  @Test("There are sources to judge, of every pure module")
  func areFound() {
    #expect(Self.imports.count > 100)
    #expect(Set(Self.pure).isSubset(of: Self.imports.map(\.module)))
  }

  @Test(
    "A library that others might reach for is imported by those that are there for it",
    arguments: [
      ("CZeroMQ", ["ZeroMQ"]), ("COpenSSL", ["Cryptography"]), ("CZlib", ["Compression"]),
      ("NIOCore", ["Gateway", "InferenceRPC"]), ("GRPCCore", ["InferenceRPC"]), ("JWTKit", ["Access"]),
      ("Metrics", ["Observability"]),
    ] as [(String, Set<String>)])
  func importers(of library: String, modules: Set<String>) {
    let importers = Self.imports.filter { $0.imported.contains(library) }
    #expect(Set(importers.map(\.module)) == modules)
    #expect(importers.filter { !modules.contains($0.module) }.map(\.file) == [])
  }

  @Test("Cores and algorithms import no Foundation", arguments: pure)
  func noFoundation(module: String) {
    let foundation: Set = ["Foundation", "FoundationEssentials", "FoundationNetworking", "Dispatch"]
    let offenders = Self.imports.filter { $0.module == module && !$0.imported.isDisjoint(with: foundation) }
    #expect(offenders.map(\.file) == [])
  }

  @Test("Reports are made of numbers and names alone: no module of ours is behind them")
  func reportsStandAlone() {
    let reports = Self.imports.filter { $0.module == "Reports" }
    #expect(!reports.isEmpty)
    #expect(reports.filter { !$0.imported.isSubset(of: ["Glibc"]) }.map(\.file) == [])
  }

  @Test(
    "The two drivers do not know each other",
    arguments: [
      ("ClusterRuntime", "Simulation"), ("Simulation", "ClusterRuntime"), ("Simulation", "ZeroMQ"),
    ])
  func strangers(module: String, other: String) {
    #expect(Self.imports.filter { $0.module == module && $0.imported.contains(other) }.map(\.file) == [])
  }
}
