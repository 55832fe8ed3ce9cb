import Synchronization

/// What all connections of a server share: how many there are, and how many bytes of bodies they hold.
final class HTTPBudget: Sendable {
  private let limits: HTTPLimits
  private let connections = Atomic(0)
  private let bytes = Atomic(0)

  init(limits: HTTPLimits) { self.limits = limits }

  var connectionCount: Int { connections.load(ordering: .relaxed) }

  /// Counts a connection in; false if there are enough.
  func open() -> Bool {
    guard connections.wrappingAdd(1, ordering: .relaxed).newValue <= limits.connectionsMax else {
      connections.wrappingSubtract(1, ordering: .relaxed)
      return false
    }
    return true
  }

  func close() { connections.wrappingSubtract(1, ordering: .relaxed) }

  /// Counts bytes of a body in; false if there is no room for them.
  func take(_ count: Int) -> Bool {
    guard bytes.wrappingAdd(count, ordering: .relaxed).newValue <= limits.bodiesBytesMax else {
      bytes.wrappingSubtract(count, ordering: .relaxed)
      return false
    }
    return true
  }

  func giveBack(_ count: Int) { bytes.wrappingSubtract(count, ordering: .relaxed) }
}
