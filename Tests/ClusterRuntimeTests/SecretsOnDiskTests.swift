import Federation
import Foundation
import Testing

/// Whole rounds of real processes that log all they can, and everything that they leave on disk.
@Suite("Secrets on disk", .serialized, .timeLimit(.minutes(2)))
struct SecretsOnDiskTests {
  /// A secret key of a party, and the one file that may hold it.
  private struct Key {
    let name: String
    let owner: String
    let bytes: [UInt8]

    /// Every way in which something here, or a library, could write it.
    var forms: [Data] {
      let base64 = Data(bytes).base64EncodedString()
      let texts = [
        bytes.hex, bytes.hex.uppercased(), Z85.encode(bytes), base64, base64.filter { $0 != "=" },
        base64.replacing("+", with: "-").replacing("/", with: "_").filter { $0 != "=" },
        bytes.map(String.init).joined(separator: ", "),
      ]
      return [Data(bytes)] + texts.map { Data($0.utf8) }
    }
  }

  /// The keys of every folder of the federation.
  private static func keys(in federation: String) throws -> [Key] {
    var keys: [Key] = []
    for party in try FileManager.default.contentsOfDirectory(atPath: federation).sorted() {
      let signing = "\(party)/signing.key"
      if let text = try? String(contentsOfFile: "\(federation)/\(signing)", encoding: .utf8) {
        let seed = try #require([UInt8](hex: text.trimmingCharacters(in: .whitespacesAndNewlines)), "\(signing)")
        keys.append(Key(name: "identity seed of \(party)", owner: signing, bytes: seed))
      }
      let link = "\(party)/curve.key_secret"
      if let text = try? String(contentsOfFile: "\(federation)/\(link)", encoding: .utf8) {
        let line = try #require(text.split(separator: "\n").first { $0.contains("secret-key") }, "\(link)")
        let secret = try #require(Z85.decode(String(line.split(separator: "\"")[1])), "\(link)")
        keys.append(Key(name: "CURVE secret key of \(party)", owner: link, bytes: secret))
      }
    }
    return keys
  }

  /// Which files hold which keys: logs, state, ledgers, spools, models, and the key files themselves.
  private static func holders(of keys: [Key], in federation: String) throws -> [String: Set<String>] {
    var found: [String: Set<String>] = [:]
    let enumerator = try #require(FileManager.default.enumerator(atPath: federation))
    for case let file as String in enumerator {
      guard let data = FileManager.default.contents(atPath: "\(federation)/\(file)") else { continue }
      for key in keys where key.forms.contains(where: { data.range(of: $0) != nil }) {
        found[key.name, default: []].insert(file)
      }
    }
    return found
  }

  @Test("After secure rounds logged in full, every secret key is in its owner's file and nowhere else")
  func staysWithItsOwner() async throws {
    let federation = try ProcessFederation(workers: 5, rounds: 3)
    let coordinator = try await federation.startCoordinator(logLevel: "trace")
    let workers = try (1...5).map { try federation.startWorker($0, logLevel: "trace") }
    let keys = try Self.keys(in: federation.path)
    #expect(keys.count { $0.name.hasPrefix("identity") } >= 7 && keys.count { $0.name.hasPrefix("CURVE") } >= 7)
    let expected = Dictionary(uniqueKeysWithValues: keys.map { ($0.name, Set([$0.owner])) })
    // In the middle, while spools and ledgers are written to, and at the end.
    #expect(await coordinator.logs(" coordinator: round ", "outcome=committed", within: .seconds(40)))
    #expect(try Self.holders(of: keys, in: federation.path) == expected)
    #expect(await coordinator.completesRun())
    #expect(try Self.holders(of: keys, in: federation.path) == expected)
    #expect(workers.contains { $0.count(" trace ") > 0 }, "the logs hold all there is")
  }
}
