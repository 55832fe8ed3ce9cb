import Foundation
import Glibc
import Testing

@testable import ClusterRuntime

@Suite("Evidence on disk")
struct EvidenceTests {
  private static func piece(_ worker: String = "worker-1", byteCount: Int = 4) -> EvidencePiece {
    EvidencePiece(
      kind: "two-messages", explanation: "The worker signed two \"bundles\"\nfor one transcript.",
      fields: [
        .init("worker", .text(worker)), .init("round", .number(7)), .init("first", .bytes([0, 1, 254, 255])),
        .init("second", .fields([.init("body", .bytes(Array(repeating: 9, count: byteCount)))])),
      ])
  }

  private static func files(_ directory: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: directory).sorted()
  }

  @Test("A piece is one file of JSON for its owner only, named by its content")
  func writes() throws {
    let federation = try TestFederation()
    let directory = federation.root + "/evidence"
    guard case .written(let path) = try EvidenceStore(directory: directory).keep(Self.piece()) else {
      Issue.record("nothing was written")
      return
    }
    #expect(try Self.files(directory).map { "\(directory)/\($0)" } == [path])
    var status = stat()
    #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
    let data = try #require(FileManager.default.contents(atPath: path))
    let object = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    #expect(object["explanation"] as? String == "The worker signed two \"bundles\"\nfor one transcript.")
    let evidence = try #require(object["evidence"] as? [String: Any])
    #expect(evidence["first"] as? String == "0001feff")
    #expect((evidence["second"] as? [String: String]) == ["body": "09090909"])
    #expect(evidence["round"] as? Int == 7)
  }

  @Test("The same evidence is kept once, after a restart too; other evidence beside it")
  func keepsOnce() throws {
    let federation = try TestFederation()
    let directory = federation.root + "/evidence"
    guard case .written(let path) = try EvidenceStore(directory: directory).keep(Self.piece()) else {
      Issue.record("nothing was written")
      return
    }
    #expect(try EvidenceStore(directory: directory).keep(Self.piece()) == .known(path: path))
    _ = try EvidenceStore(directory: directory).keep(Self.piece("worker-2"))
    #expect(try Self.files(directory).count == 2)
  }

  @Test("A full folder keeps what it has", arguments: [true, false])
  func isBounded(byCount: Bool) throws {
    let federation = try TestFederation()
    let directory = federation.root + "/evidence"
    var limits = EvidenceStore.Limits()
    if byCount { limits.count = 3 } else { limits.totalBytes = 3 * Self.piece("worker-0").json.utf8.count }
    let store = EvidenceStore(directory: directory, limits: limits)
    let outcomes = try (0..<6).map { try store.keep(Self.piece("worker-\($0)")) }
    #expect(outcomes.count { $0 == .full } == 3)
    #expect(Set(try Self.files(directory)) == Set((0..<3).map { Self.piece("worker-\($0)").fileName }))
  }

  @Test("A piece that is too long is not kept, and one that cannot be written is an error with its path")
  func refuses() throws {
    let federation = try TestFederation()
    var limits = EvidenceStore.Limits()
    limits.fileBytes = 1000
    let store = EvidenceStore(directory: federation.root + "/evidence", limits: limits)
    #expect(try store.keep(Self.piece(byteCount: 1000)) == .full)
    let nowhere = EvidenceStore(directory: federation.home("coordinator") + "/coordinator.yaml")
    #expect { try nowhere.keep(Self.piece()) } throws: { "\($0)".contains("coordinator.yaml") }
  }
}
