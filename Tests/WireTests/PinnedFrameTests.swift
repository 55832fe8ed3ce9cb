import Federation
import Membership
import Testing
import Transfer
import Wire

/// The frames of Protocols/wire.md, "Frames to check against".
@Suite("Frames that stand in the specification")
struct PinnedFrameTests {
  static let frames: [(name: String, made: @Sendable () throws(WireError) -> [UInt8], hex: String)] = [
    ("heartbeat", { () throws(WireError) in try ControlToCoordinator.heartbeat.encoded() }, "08016200"),
    (
      "hello",
      { () throws(WireError) in
        try ControlToCoordinator.hello(
          Hello(version: .current, session: SessionID(300), software: "py", threads: 1)
        ).encoded()
      }, "0801520908ac02120270791801"
    ),
    (
      "blob request",
      { () throws(WireError) in
        try BulkToCoordinator.request(
          BlobRequest(
            digest: Digest(unchecked: [UInt8](repeating: 0xAB, count: 32)), offset: 262_144, chunks: 8)
        ).encoded()
      }, "0801e203280a20" + String(repeating: "ab", count: 32) + "108080101808"
    ),
    (
      "resolve", { () throws(WireError) in try PullRequest.resolve(reference: "digits@3").encoded(request: 5) },
      "080118059a080a0a08" + Array("digits@3".utf8).hex
    ),
  ]

  @Test("A frame of the specification is written as it stands there", arguments: frames.indices)
  func pinned(_ index: Int) throws {
    let frame = Self.frames[index]
    #expect(try frame.made().hex == frame.hex, "\(frame.name)")
  }
}
