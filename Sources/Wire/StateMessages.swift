import Serving
import Transfer

/// The state socket, from the coordinator to every serving node.
package enum StateMessage: Hashable, Sendable {
  case record(StateRecord)
}

/// The snapshot socket, from a serving node to the coordinator.
package enum SnapshotRequest: Hashable, Sendable {
  case snapshot
  case blob(BlobRequest)
}

/// The snapshot socket, from the coordinator to a serving node.
package enum SnapshotReply: Hashable, Sendable {
  case snapshot(StateSnapshot)
  /// Followed by the chunk's bytes.
  case chunk(BlobChunk)
  case unavailable(BlobUnavailable)
  case failed(Failure)
}
