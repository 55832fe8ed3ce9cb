import Federation
import Foundation
import Testing

@testable import ClusterRuntime

@Suite("A worker's control variates on disk")
struct ControlVariateStoreTests {
  private let path = NSTemporaryDirectory() + "murmur-control-\(UUID().uuidString)"
  private var store: ControlVariateStore { ControlVariateStore(stateDirectory: path) }
  private var file: String { path + "/control/r.safetensors" }

  private func keep(_ values: [Float], run: RunID = "r", round: RoundNumber = 3) throws {
    try store.keep(values, of: AttemptID(run: run, round: round, attempt: 0))
  }

  @Test("What was kept last is read, for its owner alone, and another run has its own")
  func keeps() throws {
    try keep([1, 2])
    try keep([3, 4], round: 5)
    try keep([7], run: "other")
    #expect(try store.own(in: "r", since: 1, count: 2) == [3, 4])
    #expect(try store.own(in: "other", since: 1, count: 1) == [7])
    #expect(try store.own(in: "third", since: 1, count: 2) == nil)
    let mode = try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? Int
    #expect(mode == 0o600)
  }

  @Test("What was made before all began anew is zeros again", arguments: [(3, true), (4, false)] as [(UInt64, Bool)])
  func beginsAnew(since: UInt64, isKept: Bool) throws {
    try keep([1, 2])
    #expect((try store.own(in: "r", since: RoundNumber(since), count: 2) != nil) == isKept)
  }

  @Test("A file that is changed, cut off, of another length or of another run is an error with its path, never zeros")
  func refuses() throws {
    try keep([1, 2])
    let bytes = [UInt8](try Data(contentsOf: URL(filePath: file)))
    func refused(_ bytes: [UInt8], count: Int = 2) throws {
      try Data(bytes).write(to: URL(filePath: file))
      do {
        _ = try store.own(in: "r", since: 1, count: count)
        Issue.record("it was read")
      } catch { #expect("\(error)".contains(file), "\(error)") }
    }
    var changed = bytes
    changed[changed.count - 1] ^= 1
    try refused(changed)
    try refused(Array(bytes.dropLast()))
    try refused([])
    try refused(bytes, count: 3)
    try keep([1, 2], run: "other")
    try refused([UInt8](try Data(contentsOf: URL(filePath: path + "/control/other.safetensors"))))
  }
}
