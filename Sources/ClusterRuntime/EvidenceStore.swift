import Federation
import Glibc
import Logging
import ModelRegistry
import SecureAggregation

/// One proof that another party broke the protocol: what it sent, in full, and what is wrong with that (rulings A6, A9).
///
/// Everything in it is public or signed by its sender; nothing in it is a secret, a weight or an example.
package struct EvidencePiece: Hashable, Sendable {
  package enum Value: Hashable, Sendable {
    /// Written as lower-case hexadecimal digits.
    case bytes([UInt8])
    case text(String)
    case number(UInt64)
    case fields([Field])
  }

  package struct Field: Hashable, Sendable {
    package let name: String
    package let value: Value

    package init(_ name: String, _ value: Value) {
      self.name = name
      self.value = value
    }
  }

  /// Lower-case words with hyphens, such as `two-survivor-sets`: the first part of the file's name.
  package let kind: String
  /// One sentence that a person understands who knows the protocol.
  package let explanation: String
  package let fields: [Field]

  /// - Precondition: `kind` is of the characters a–z, 0–9 and `-`: it becomes part of a path.
  package init(kind: String, explanation: String, fields: [Field]) {
    precondition(
      !kind.isEmpty && kind.utf8.count <= 64
        && kind.utf8.allSatisfy { (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2D },
      "a kind of evidence that is no file name: \(kind)")
    self.kind = kind
    self.explanation = explanation
    self.fields = fields
  }

  /// Signed statements as the cores find them: whoever knows the signers' keys can verify each alone.
  package init(_ evidence: Evidence) {
    let words = evidence.kind.rawValue.reduce(into: "") { $0 += $1.isUppercase ? "-\($1.lowercased())" : "\($1)" }
    let statements = evidence.statements.enumerated().map { index, statement in
      Field(
        "statement-\(index + 1)",
        .fields([
          Field("signer", .text(statement.signer.text)), Field("key", .bytes(statement.key.bytes)),
          Field("signed", .bytes(statement.string)), Field("signature", .bytes(statement.signature.bytes)),
        ]))
    }
    self.init(
      kind: words, explanation: evidence.explanation,
      fields: [
        Field("attempt", .text("\(evidence.attempt)")),
        Field("accused", .text(evidence.accused?.text ?? "open")),
      ] + statements)
  }

  /// The file: one JSON object with `kind`, `explanation` and `evidence`, fields in their order, no time in it, so that
  /// the same evidence is the same bytes whenever it is found.
  package var json: String {
    Self.json(
      [Field("kind", .text(kind)), Field("explanation", .text(explanation)), Field("evidence", .fields(fields))],
      indentation: "") + "\n"
  }

  private static func json(_ fields: [Field], indentation: String) -> String {
    guard !fields.isEmpty else { return "{}" }
    let inner = indentation + "  "
    let lines = fields.map { field in
      let value =
        switch field.value {
        case .bytes(let bytes): "\"\(bytes.hex)\""
        case .text(let text): quoted(text)
        case .number(let number): "\(number)"
        case .fields(let fields): json(fields, indentation: inner)
        }
      return "\(inner)\(quoted(field.name)): \(value)"
    }
    return "{\n" + lines.joined(separator: ",\n") + "\n\(indentation)}"
  }

  private static func quoted(_ text: String) -> String {
    var out = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"", "\\": out += "\\\(scalar)"
      case _ where scalar.value < 32: out += "\\u00" + [UInt8(scalar.value)].hex
      default: out.unicodeScalars.append(scalar)
      }
    }
    return out + "\""
  }

  /// `KIND-DIGEST.json`, with the first 8 bytes of the SHA-256 of the file.
  package var fileName: String { "\(kind)-\(Digest.sha256(of: Array(json.utf8)).hex.prefix(16)).json" }
}

/// The folder `evidence` of a party: one file per piece, complete or absent, readable by its owner only.
///
/// Bounded, and the oldest stay: whoever breaks the protocol again and again adds nothing to the first proof of it.
package struct EvidenceStore: Sendable {
  package struct Limits: Sendable {
    /// Files in the folder.
    package var count = 256
    /// Bytes of one file, and of all of them.
    package var fileBytes = 4 << 20
    package var totalBytes = 64 << 20

    package init() {}
  }

  package enum Outcome: Hashable, Sendable {
    case written(path: String)
    /// The same evidence is there already.
    case known(path: String)
    /// Nothing was written: the piece is too long, or the folder is full.
    case full
  }

  package static let folder = "evidence"

  private let directory: String
  private let limits: Limits

  /// - Parameter directory: made, with mode 0700, when there is something to keep.
  package init(directory: String, limits: Limits = Limits()) {
    self.directory = directory
    self.limits = limits
  }

  /// Keeps a piece; durable when it returns.
  package func keep(_ piece: EvidencePiece) throws(FileError) -> Outcome {
    let path = directory + "/" + piece.fileName
    if DurableFile.exists(path) { return .known(path: path) }
    try DurableFile.createDirectory(directory, mode: 0o700)
    let bytes = Array(piece.json.utf8)
    let kept = try DurableFile.names(in: directory).filter { !$0.hasPrefix(".") }
    let used = kept.reduce(0) { $0 + Self.byteCount(directory + "/" + $1) }
    guard bytes.count <= limits.fileBytes, kept.count < limits.count, used + bytes.count <= limits.totalBytes else {
      return .full
    }
    try DurableFile.write(bytes, to: path, mode: 0o600)
    return .written(path: path)
  }

  /// As `keep`, for a driver: says in its log where the evidence is, or why it is not.
  package func keep(_ piece: EvidencePiece, logger: Logger) {
    do throws(FileError) {
      switch try keep(piece) {
      case .written(let path):
        logger.error("evidence kept", metadata: ["kind": "\(piece.kind)", "file": "\(path)"])
      case .known(let path):
        logger.info("evidence known", metadata: ["kind": "\(piece.kind)", "file": "\(path)"])
      case .full:
        logger.error("no room for evidence", metadata: ["kind": "\(piece.kind)", "folder": "\(directory)"])
      }
    } catch {
      logger.error("cannot keep evidence", metadata: ["kind": "\(piece.kind)", "error": "\(error)"])
    }
  }

  private static func byteCount(_ path: String) -> Int {
    DurableFile.stamp(of: path)?.byteCount ?? 0
  }
}
