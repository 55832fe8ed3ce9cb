import Synchronization

/// What all connections of a server share: how many there are, and how many bytes of bodies they hold.
package final class HTTPBudget: Sendable {
  private let limits: HTTPLimits
  private let connections = Atomic(0)
  private let bytes = Atomic(0)

  package init(limits: HTTPLimits) { self.limits = limits }

  package var connectionCount: Int { connections.load(ordering: .relaxed) }

  /// Counts a connection in; false if there are enough.
  package func open() -> Bool {
    guard connections.wrappingAdd(1, ordering: .relaxed).newValue <= limits.connectionsMax else {
      connections.wrappingSubtract(1, ordering: .relaxed)
      return false
    }
    return true
  }

  package func close() { connections.wrappingSubtract(1, ordering: .relaxed) }

  /// Counts bytes of a body in; false if there is no room for them.
  package func take(_ count: Int) -> Bool {
    guard bytes.wrappingAdd(count, ordering: .relaxed).newValue <= limits.bodiesBytesMax else {
      bytes.wrappingSubtract(count, ordering: .relaxed)
      return false
    }
    return true
  }

  package func giveBack(_ count: Int) { bytes.wrappingSubtract(count, ordering: .relaxed) }
}
