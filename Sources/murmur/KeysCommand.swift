import Access
import ArgumentParser
import ClusterConfiguration
import ClusterRuntime
import Cryptography
import Federation
import ModelRegistry

/// `murmur keys`.
struct KeysCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "keys",
    abstract: "Make, list and revoke the API keys of a serving node.",
    discussion: """
      A key is for programs without an account at an issuer. The node keeps its digest in FOLDER/keys.yaml; the key \
      itself is shown once.

      Example:

          murmur keys create dashboards --scope 'model:infer:digits*' --home demo/serving
      """,
    subcommands: [Create.self, List.self, Revoke.self])

  /// `murmur keys create`.
  struct Create: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "create",
      abstract: "Make an API key and show it, once.",
      discussion: """
        Whoever has the key may do what its scopes say: model:read lists and pulls models, model:infer asks for \
        predictions, each of all models or of those behind another colon (model:infer:digits, model:infer:digits*); admin \
        loads, unloads and sees all statistics. It is sent as 'Authorization: Bearer KEY' or 'X-API-Key: KEY'.

        Examples:

            murmur keys create dashboards --scope 'model:infer:digits*' --home demo/serving
            murmur keys create batch --scope model:read --scope model:infer --expires 2027-01-01 --per-second 50 \
        --burst 100 --home demo/serving
        """)

    @Argument(help: ArgumentHelp("Whose key it is, or what for.", valueName: "name"))
    var name: String

    @Option(name: .long, help: ArgumentHelp("What the key permits; may be given several times.", valueName: "scope"))
    var scope: [String] = []

    @Option(
      name: .long,
      help: ArgumentHelp(
        "When the key stops being valid: a day, or a moment such as 2027-01-01T12:00:00Z. Without it, never.",
        valueName: "moment"))
    var expires: String?

    @Option(
      name: .long,
      help: ArgumentHelp(
        "Requests a second of a model, in place of the limit for everyone in access.yaml.", valueName: "n"))
    var perSecond: Double?

    @Option(name: .long, help: ArgumentHelp("Requests at once above that rate.", valueName: "n"))
    var burst: Int?

    @OptionGroup var home: HomeOption
    @OptionGroup var output: OutputOption

    func validate() throws {
      guard !scope.isEmpty else { throw ValidationError("--scope: found none, expected \(ScopeError.expected)") }
      guard (perSecond == nil) == (burst == nil) else {
        throw ValidationError("expected both of --per-second and --burst, or neither")
      }
    }

    func run() throws {
      let directory = try home.servingDirectory()
      let draft = try draft()
      let key = try KeysFile.change(home: directory) { file in
        // Ids are random, and a file has few: a second draw is rare, a third unheard of.
        var key = APIKey(from: SystemSecretSource())
        while file.records.contains(where: { $0.id == key.id }) { key = APIKey(from: SystemSecretSource()) }
        file.add(draft(key))
        return key
      }
      if output.json {
        Terminal.print(try JSONOutput.document(NewKeyResult(key: key.text, record: KeyResult(draft(key), now: 0))))
      } else {
        Terminal.print(key.text)
        Terminal.print("shown once: \(directory)/\(KeysFile.name) has its digest only; revoke it with")
        Terminal.print("  murmur keys revoke \(key.id) --home \(directory)")
      }
    }

    /// The record of a key that there is not yet.
    private func draft() throws -> (APIKey) -> APIKeyRecord {
      guard let name = APIKeyName(name) else {
        throw CommandFailure(
          .usage, "name: found '\(name)', expected 1 to 128 letters, digits, '.', '_' or '-', a letter or digit first")
      }
      let scopes = try scopes()
      let moment = try moment()
      let rate = try rate()
      return { key in
        APIKeyRecord(id: key.id, name: name, digest: key.digest, scopes: scopes, expires: moment, rate: rate)
      }
    }

    private func scopes() throws -> [Scope] {
      var scopes: [Scope] = []
      for text in scope {
        do throws(ScopeError) {
          let found = try Scope(text)
          if !scopes.contains(found) { scopes.append(found) }
        } catch {
          throw CommandFailure(.usage, "--scope: \(error)")
        }
      }
      return scopes
    }

    private func moment() throws -> UInt64? {
      guard let expires else { return nil }
      guard let moment = UTCTime.seconds(expires), moment > secondsSince1970() else {
        throw CommandFailure(.usage, "--expires: found '\(expires)', expected \(UTCTime.expected), in the future")
      }
      return moment
    }

    private func rate() throws -> RateLimit? {
      guard let perSecond, let burst else { return nil }
      guard let rate = RateLimit(perSecond: perSecond, burst: burst) else {
        let (rates, bursts) = (RateLimit.perSecondRange, RateLimit.burstRange)
        throw CommandFailure(
          .usage,
          "--per-second, --burst: found \(perSecond) and \(burst), expected \(rates.lowerBound) to \(rates.upperBound) "
            + "and \(bursts.lowerBound) to \(bursts.upperBound)")
      }
      return rate
    }
  }

  /// `murmur keys list`.
  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "list", abstract: "List the API keys of a serving node.",
      discussion: """
        In the order in which they were made; of none the secret.

        Example:

            murmur keys list --home demo/serving
        """)

    @OptionGroup var home: HomeOption
    @OptionGroup var output: OutputOption

    func run() throws {
      let records = try KeysFile.load(home: home.servingDirectory()).records
      let now = secondsSince1970()
      if output.json {
        Terminal.print(try JSONOutput.document(records.map { KeyResult($0, now: now) }))
      } else if records.isEmpty {
        Terminal.print("no keys")
      } else {
        for line in records.table(now: now).lines { Terminal.print(line) }
      }
    }
  }

  /// `murmur keys revoke`.
  struct Revoke: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "revoke", abstract: "Take an API key out of a serving node's file.",
      discussion: """
        A node that is running refuses the key as soon as it has read its files again.

        Example:

            murmur keys revoke 5f0c2ab81e37 --home demo/serving
        """)

    @Argument(help: ArgumentHelp("The key's id, as 'murmur keys list' shows it.", valueName: "id"))
    var id: String

    @OptionGroup var home: HomeOption
    @OptionGroup var output: OutputOption

    func run() throws {
      let directory = try home.servingDirectory()
      // A file without that id is left alone.
      guard try KeysFile.load(home: directory).records.contains(where: { $0.id == id }),
        let record = try KeysFile.change(home: directory, { $0.remove(id: id) })
      else { throw CommandFailure(.notFound, "\(id): found no API key of that id in \(directory)/\(KeysFile.name)") }
      if output.json {
        Terminal.print(try JSONOutput.document(KeyResult(record, now: secondsSince1970())))
      } else {
        Terminal.print("revoked \(record.id), \(record.name)")
      }
    }
  }
}

extension HomeOption {
  /// The folder of a serving node.
  fileprivate func servingDirectory() throws -> String {
    let directory = try directory(of: "a serving node")
    guard DurableFile.exists("\(directory)/serving.yaml") else {
      throw CommandFailure(.notFound, "\(directory)/serving.yaml: found no such file, expected a serving node's folder")
    }
    return directory
  }
}

extension [APIKeyRecord] {
  /// One line a key.
  fileprivate func table(now: UInt64) -> TextTable {
    var table = TextTable([
      ("ID", .left), ("NAME", .left), ("STATE", .left), ("EXPIRES", .left), ("RATE", .right), ("BURST", .right),
      ("SCOPES", .left),
    ])
    for record in self {
      let result = KeyResult(record, now: now)
      table.append([
        result.id, result.name, result.state, result.expires ?? "-", record.rate.map { "\($0.perSecond)/s" } ?? "-",
        record.rate.map { "\($0.burst)" } ?? "-", result.scopes.joined(separator: " "),
      ])
    }
    return table
  }
}

/// What is said of a key: everything but what would let somebody in.
private struct KeyResult: Encodable {
  let id: String
  let name: String
  let state: String
  let scopes: [String]
  let expires: String?
  let perSecond: Double?
  let burst: Int?

  init(_ record: APIKeyRecord, now: UInt64) {
    id = record.id
    name = record.name.text
    state = record.expires.map { now >= $0 } ?? false ? "expired" : "valid"
    scopes = record.scopes.map(\.description)
    expires = record.expires.map(UTCTime.text)
    perSecond = record.rate?.perSecond
    burst = record.rate?.burst
  }
}

/// A key and what it is for: the only output with the secret in it.
private struct NewKeyResult: Encodable {
  let key: String
  let record: KeyResult
}
