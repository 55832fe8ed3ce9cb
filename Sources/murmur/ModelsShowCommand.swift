import ArgumentParser
import ClusterRuntime
import Federation
import ModelRegistry
import Wire

extension ModelsCommand {
  /// `murmur models show NAME[@REF]`.
  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "show",
      abstract: "Show a version: digests, lineage, metrics, privacy, aliases, signatures.",
      discussion: """
        Examples:

            murmur models show digits@best --home demo/coordinator
            murmur models show digits --lineage --dot --home demo/coordinator
        """)

    @Argument(
      help: ArgumentHelp("NAME@3, NAME@champion or NAME@sha256:…; NAME alone is NAME@latest.", valueName: "reference"))
    var reference: String

    @Flag(name: .long, help: "Print the versions that it comes from and those that come from it.")
    var lineage = false

    @Flag(name: .long, help: "Print the lineage as a graph for Graphviz.")
    var dot = false

    @OptionGroup var options: OperatorOptions
    @OptionGroup var output: OutputOption

    func run() async throws {
      let text = reference.contains("@") ? reference : reference + "@latest"
      _ = try ModelReference(parsing: text)
      let detail = try await options.client().version(text)
      if dot { return Terminal.print(LineageText.graph(detail.lineage)) }
      if output.json { return Terminal.print(try JSONOutput.document(VersionDetailResult(detail))) }
      let lines =
        try lineage
        ? LineageText.lines(detail.lineage, of: detail.row.model.digest) : VersionText.lines(detail)
      for line in lines { Terminal.print(line) }
    }
  }
}

/// A version for people.
enum VersionText {
  static func lines(_ detail: VersionDetail) throws -> [String] {
    let row = detail.row
    let manifest = try Manifest(bytes: detail.manifest.bytes)
    var facts = [
      ("version", "\(manifest.model)@\(manifest.version)"), ("state", state(row)),
      ("aliases", row.model.aliases.isEmpty ? "none" : row.model.aliases.map(\.text).joined(separator: ", ")),
      ("digest", "sha256:\(row.model.digest)"), ("parent", parent(of: detail)),
      ("run", "\(manifest.run), round \(manifest.round), attempt \(manifest.attempt)"),
      ("aggregation", manifest.aggregation.rawValue), ("cohort", "\(manifest.cohortSize) workers"),
      ("privacy spent", "none: no differential privacy"),
      ("configuration", manifest.configurationDigest.map { "sha256:\($0)" } ?? "none"),
      ("metrics", metrics(row)), ("architecture", manifest.architecture),
    ]
    facts += [
      ("file", "sha256:\(manifest.file.digest), \(Readable.bytes(manifest.file.byteCount))"),
      ("model digest", manifest.modelDigest.hex), ("made", RunDetailText.time(manifest.createdAt)),
      ("signed by", manifest.signer.text), ("model signature", signature(detail)),
    ]
    let width = facts.map(\.0.count).max() ?? 0
    return facts.map { "\(TextTable.pad($0, to: width, .left))  \($1)" } + events(detail.events)
  }

  private static func state(_ row: VersionRow) -> String {
    if let retired = row.retired { return "retired: \(retired.reason)" }
    return row.takenBack.map { "taken back: \($0)" } ?? "standing"
  }

  private static func parent(of detail: VersionDetail) -> String {
    guard let parent = detail.row.parent else { return "none" }
    let number = detail.lineage.first { $0.model.digest == parent }?.model.version
    return "sha256:\(parent)" + (number.map { ", version \($0)" } ?? "")
  }

  private static func metrics(_ row: VersionRow) -> String {
    guard let found = row.evaluation else { return "not measured yet" }
    return "loss \(Readable.decimal(found.loss, 4)), accuracy \(Readable.decimal(found.accuracy, 4))"
  }

  private static func signature(_ detail: VersionDetail) -> String {
    detail.attachments == nil
      ? "none: published before there were any" : "OpenSSF, ECDSA P-256, key endorsed by \(detail.manifest.signer)"
  }

  private static func events(_ events: [AliasEvent]) -> [String] {
    guard !events.isEmpty else { return [] }
    return ["", "aliases"]
      + events.map { event in
        let (from, to) = (event.move.from.map { "\($0)" } ?? "nowhere", event.move.to.map { "\($0)" } ?? "nowhere")
        return
          "  \(RunDetailText.time(event.at))  \(event.move.alias)  \(from) -> \(to)  \(event.change.word) by \(event.by)"
      }
  }
}

extension AliasChange {
  var word: String {
    switch self {
    case .moved: "moved"
    case .removed: "removed"
    case .rolledBack: "rolled back"
    case .retirement: "moved by a retirement"
    case .found: "found"
    }
  }
}

/// Which version comes from which.
enum LineageText {
  /// One line a version, oldest first, under the version that it comes from.
  static func lines(_ lineage: [VersionRow], of digest: Digest) -> [String] {
    let rows = lineage.sorted { $0.model.version < $1.model.version }
    let known = Set(rows.map(\.model.digest))
    var lines: [String] = []
    // A stack, not recursion: a lineage is as deep as a run has rounds.
    var waiting = rows.filter { $0.parent.map { !known.contains($0) } ?? true }.reversed().map { ($0, 0) }
    while let (row, depth) = waiting.popLast() {
      let children = rows.filter { $0.parent == row.model.digest }
      lines.append(String(repeating: "  ", count: depth) + label(row) + (row.model.digest == digest ? "  <-" : ""))
      // An only child stays in its parent's column: most versions have one.
      let deeper = children.count > 1 ? depth + 1 : depth
      waiting += children.reversed().map { ($0, deeper) }
    }
    return lines
  }

  /// A graph in the language of Graphviz.
  static func graph(_ lineage: [VersionRow]) -> String {
    var lines = ["digraph lineage {", "  rankdir=LR;", "  node [shape=box];"]
    let rows = lineage.sorted { $0.model.version < $1.model.version }
    for row in rows { lines.append("  \"\(row.model.digest.short)\" [label=\"\(label(row))\"];") }
    for row in rows {
      if let parent = row.parent { lines.append("  \"\(parent.short)\" -> \"\(row.model.digest.short)\";") }
    }
    return (lines + ["}"]).joined(separator: "\n")
  }

  /// `digits@3 (best) accuracy 0.9412, retired`.
  private static func label(_ row: VersionRow) -> String {
    let aliases = row.model.aliases.isEmpty ? "" : " (\(row.model.aliases.map(\.text).joined(separator: ", ")))"
    let accuracy = row.evaluation.map { " accuracy \(Readable.decimal($0.accuracy, 4))" } ?? ""
    return "\(row.model.name)@\(row.model.version)\(aliases)\(accuracy)" + (row.state == "-" ? "" : ", \(row.state)")
  }
}

/// The JSON form of `murmur models show`.
struct VersionDetailResult: Encodable {
  struct Event: Encodable {
    let alias: String
    let from: UInt64?
    let to: UInt64?
    let change: String
    let by: String
    let at: UInt64

    init(_ event: AliasEvent) {
      alias = event.move.alias.text
      from = event.move.from?.value
      to = event.move.to?.value
      change = event.change.word
      by = event.by
      at = event.at
    }
  }

  let version: VersionRowResult
  let attempt: UInt32
  let aggregation: String
  let cohortSize: UInt64
  let configurationDigest: String?
  let architecture: String
  let dataScale: Double
  let modelDigest: String
  let fileDigest: String
  let fileSize: UInt64
  let privacy: String
  let signer: String
  let hasModelSignature: Bool
  /// The manifest, exactly as signed.
  let manifest: String
  let lineage: [VersionRowResult]
  let events: [Event]

  init(_ detail: VersionDetail) throws {
    let manifest = try Manifest(bytes: detail.manifest.bytes)
    version = VersionRowResult(detail.row)
    attempt = manifest.attempt.value
    aggregation = manifest.aggregation.rawValue
    cohortSize = manifest.cohortSize
    configurationDigest = manifest.configurationDigest.map { "sha256:\($0)" }
    architecture = manifest.architecture
    dataScale = manifest.dataScale
    modelDigest = manifest.modelDigest.hex
    fileDigest = "sha256:\(manifest.file.digest)"
    fileSize = manifest.file.byteCount
    privacy = "none"
    signer = manifest.signer.text
    hasModelSignature = detail.attachments != nil
    self.manifest = String(decoding: detail.manifest.bytes, as: UTF8.self)
    lineage = detail.lineage.map(VersionRowResult.init)
    events = detail.events.map(Event.init)
  }
}
