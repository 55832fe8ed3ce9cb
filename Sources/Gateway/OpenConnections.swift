import NIOConcurrencyHelpers
import NIOCore

/// The connections of a server that are open, so that it can end them.
final class OpenConnections: Sendable {
  private struct State {
    var channels: [ObjectIdentifier: any Channel] = [:]
    var drained: EventLoopPromise<Void>?
  }

  private let state = NIOLockedValueBox(State())

  func insert(_ channel: any Channel) { state.withLockedValue { $0.channels[ObjectIdentifier(channel)] = channel } }

  func remove(_ channel: any Channel) {
    let drained = state.withLockedValue { state -> EventLoopPromise<Void>? in
      state.channels[ObjectIdentifier(channel)] = nil
      guard state.channels.isEmpty else { return nil }
      defer { state.drained = nil }
      return state.drained
    }
    drained?.succeed()
  }

  /// Asks every connection to end behind the answer in hand, and says when none is left.
  func drain(_ promise: EventLoopPromise<Void>) {
    let channels = state.withLockedValue { state in
      if !state.channels.isEmpty { state.drained = promise }
      return Array(state.channels.values)
    }
    if channels.isEmpty { promise.succeed() }
    for channel in channels { channel.pipeline.fireUserInboundEventTriggered(ServerStopping()) }
  }

  func closeAll() {
    for channel in state.withLockedValue({ Array($0.channels.values) }) { channel.close(promise: nil) }
  }
}

/// Tells a connection that its server ends.
struct ServerStopping: Sendable {}
