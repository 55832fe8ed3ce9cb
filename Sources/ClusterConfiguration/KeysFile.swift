import Access
import Federation
import Glibc
import ModelRegistry

/// The API keys of a serving node: `keys.yaml` in its folder, which `murmur keys` writes.
///
/// A key is one line, so that people can read it and take it out; comments are not kept by the next change, which is why
/// the file is not the owner's `access.yaml`. It holds digests of secrets, and no secret.
package struct KeysFile: Hashable, Sendable {
  package static let name = "keys.yaml"

  /// In the order in which they were made.
  package private(set) var records: [APIKeyRecord]

  package init(_ records: [APIKeyRecord] = []) { self.records = records }

  package var table: APIKeyTable { APIKeyTable(records) }

  /// Reads the file of a folder; without it there are no keys.
  package static func load(home: String) throws(ConfigurationError) -> KeysFile {
    let path = "\(home)/\(name)"
    guard DurableFile.exists(path) else { return KeysFile() }
    return try read(ConfigurationFile(path: path, expected: "API keys"))
  }

  /// Reads a file that is in memory.
  package static func read(_ file: ConfigurationFile) throws(ConfigurationError) -> KeysFile {
    let top = try file.top(keys: ["keys"])
    let sections = try top.sections("keys", keys: ["id", "name", "sha256", "scopes", "expires", "rate"])
    guard sections.count <= APIKeyTable.countMax else {
      throw top.error(at: "keys", found: "\(sections.count) keys", expected: "at most \(APIKeyTable.countMax)")
    }
    var records: [APIKeyRecord] = []
    var ids: Set<String> = []
    for section in sections {
      let record = try record(in: section)
      guard ids.insert(record.id).inserted else {
        throw section.error(at: "id", found: "\"\(record.id)\" a second time", expected: "every id once")
      }
      records.append(record)
    }
    return KeysFile(records)
  }

  private static func record(in section: ConfigurationSection) throws(ConfigurationError) -> APIKeyRecord {
    try APIKeyRecord(
      id: section.scalar("id", expected: "an id: 1 to 32 small letters and digits") { APIKey.isID($0) ? $0 : nil },
      name: section.name("name"),
      digest: section.scalar("sha256", expected: "64 hexadecimal digits: SHA-256 of the key's secret") {
        Digest(hex: $0)
      },
      scopes: section.scopes("scopes"),
      expires: section.has("expires")
        ? section.scalar("expires", expected: UTCTime.expected) { UTCTime.seconds($0) } : nil,
      rate: section.has("rate") ? section.rateLimit("rate") : nil)
  }

  // MARK: Changes

  /// - Precondition: no other record has its id.
  package mutating func add(_ record: APIKeyRecord) {
    precondition(!records.contains { $0.id == record.id })
    records.append(record)
  }

  /// The record that was taken out; nil if there is none of that id.
  package mutating func remove(id: String) -> APIKeyRecord? {
    records.firstIndex { $0.id == id }.map { records.remove(at: $0) }
  }

  /// Changes the file of a folder: read, changed and written as a whole, while no other program can.
  ///
  /// - Throws: `HomeError`; the file is then as it was.
  package static func change<T>(home: String, _ body: (inout KeysFile) -> T) throws(HomeError) -> T {
    // The folder is what is locked: a lock on the file would be on the one that the next change replaces (flock(2)).
    let descriptor = open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .file(FileError(operation: .open, path: home, code: errno)) }
    defer { close(descriptor) }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else { throw .busy("\(home)/\(name)") }
    var file: KeysFile
    do throws(ConfigurationError) {
      file = try load(home: home)
    } catch {
      throw .configuration(error)
    }
    let result = body(&file)
    try FederationHome.filed { () throws(FileError) in
      try DurableFile.write(Array(file.text.utf8), to: "\(home)/\(name)", mode: 0o600)
    }
    return result
  }

  /// The file's text, one line a key.
  package var text: String {
    let lines = records.map { "  - {\(Self.members(of: $0).joined(separator: ", "))}\n" }
    return """
      # The API keys of this serving node, as 'murmur keys' writes them; comments are not kept.

      """ + (lines.isEmpty ? "keys: []\n" : "keys:\n" + lines.joined())
  }

  private static func members(of record: APIKeyRecord) -> [String] {
    // Digits alone, which an id and a digest may be, would be a number without quotes.
    var members = [
      "id: \"\(record.id)\"", "name: \"\(record.name)\"", "sha256: \"\(record.digest.hex)\"",
      "scopes: [\(record.scopes.map { "\"\($0)\"" }.joined(separator: ", "))]",
    ]
    if let expires = record.expires { members.append("expires: \(UTCTime.text(expires))") }
    if let rate = record.rate { members.append("rate: {per-second: \(rate.perSecond), burst: \(rate.burst)}") }
    return members
  }
}
