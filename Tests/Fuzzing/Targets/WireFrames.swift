import Wire

/// Header frames as any peer can send them: the first byte chooses socket and direction, the rest is the header.
///
/// Claims: reading ends, within the socket's budget, in a message or an error; what was read can be written, and reads
/// back as the same message.
enum WireFrames {
  static func check(_ bytes: [UInt8]) throws(Finding) {
    var input = FuzzInput(bytes)
    switch input.below(13) {
    case 0: try read(ControlToCoordinator.self, input.rest())
    case 1: try read(ControlToWorker.self, input.rest())
    case 2: try read(BulkToCoordinator.self, input.rest())
    case 3: try read(BulkToWorker.self, input.rest())
    case 4: try read(StateMessage.self, input.rest())
    case 5: try read(SnapshotRequest.self, input.rest())
    case 6: try read(SnapshotReply.self, input.rest())
    case 7: try read(OperatorRequest.self, input.rest())
    case 8: try read(OperatorReply.self, input.rest())
    case 9: try read(PullRequest.self, input.rest())
    case 10: try read(PullReply.self, input.rest())
    case 11: try read(EventBatch.self, input.rest())
    default: try read(EventReply.self, input.rest())
    }
  }

  private static func read<M: WireMessage>(_ type: M.Type, _ header: [UInt8]) throws(Finding) {
    guard let read = received(type, header) else { return }
    let name = "\(M.self).\(read.message.kind)"
    guard let written = try? read.message.encoded(request: read.request) else {
      throw Finding("\(name) was read and cannot be written")
    }
    guard let again = received(type, written) else { throw Finding("\(name) was written and cannot be read") }
    try Finding.unless(again.message == read.message && again.request == read.request, "\(name) reads back otherwise")
  }

  /// Reads a header beside a payload frame of the length that it asks for, if it asks for one.
  private static func received<M: WireMessage>(_ type: M.Type, _ header: [UInt8]) -> Received<M>? {
    do throws(WireError) {
      return try M.receive(header)
    } catch .badField("payload", _, let expected) {
      guard let count = expected.split(separator: " ").first.flatMap({ Int($0) }) else { return nil }
      return try? M.receive(header, payloadBytes: count)
    } catch {
      return nil
    }
  }
}
