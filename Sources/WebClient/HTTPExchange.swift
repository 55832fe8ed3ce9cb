import Foundation
import FoundationNetworking

/// A request and its answer as a stream of events, which ends with the answer.
///
/// Bytes wait in the stream until they are taken: at most `byteCountMax` and one piece.
package final class HTTPExchange: Sendable {
  package enum Event: Sendable {
    case answered(HTTPHead)
    case received([UInt8])
    /// Every `tickInterval`, with the time it was then, for deadlines of whoever listens: a listener that is late itself
    /// finds older events before it.
    case tick(at: ContinuousClock.Instant)
    /// Nil for an orderly end. `.silent` when for the client's patience no byte has come, however late that is read.
    case ended(HTTPFailure?)
  }

  package static let tickInterval = Duration.milliseconds(50)

  package let url: String
  package let events: AsyncStream<Event>
  private let continuation: AsyncStream<Event>.Continuation
  private let byteCountMax: Int
  private let byteCount = Guarded(0)
  private let redirectCount = Guarded(0)
  private let heardAt: Guarded<ContinuousClock.Instant>
  private let ending = Guarded<(@Sendable () -> Void)?>(nil)
  private let ticker: Task<Void, Never>

  init(url: String, byteCountMax: Int, patience: Duration) {
    self.url = url
    self.byteCountMax = byteCountMax
    let (events, continuation) = AsyncStream.makeStream(of: Event.self)
    self.events = events
    self.continuation = continuation
    let heardAt = Guarded(ContinuousClock.now)
    self.heardAt = heardAt
    ticker = Task {
      while !Task.isCancelled {
        try? await Task.sleep(for: Self.tickInterval)
        let now = ContinuousClock.now
        guard now - heardAt.with({ $0 }) < patience else {
          continuation.yield(.ended(.silent(url: url, seconds: patience / .seconds(1))))
          return continuation.finish()
        }
        continuation.yield(.tick(at: now))
      }
    }
  }

  deinit { stop() }

  /// - Parameter cancel: ends what the system does for this exchange.
  func start(_ cancel: @escaping @Sendable () -> Void) { ending.with { $0 = cancel } }

  /// Takes no more of the answer.
  package func stop() {
    ticker.cancel()
    continuation.finish()
    let cancel = ending.with { ending in
      defer { ending = nil }
      return ending
    }
    cancel?()
  }

  /// - Returns: how often that was.
  func redirected() -> Int {
    redirectCount.with { count in
      count += 1
      return count
    }
  }

  func answered(_ head: HTTPHead) {
    heardAt.with { $0 = .now }
    continuation.yield(.answered(head))
  }

  /// - Returns: false if that is more than was to come.
  func received(_ bytes: [UInt8]) -> Bool {
    heardAt.with { $0 = .now }
    continuation.yield(.received(bytes))
    return byteCount.with { count in
      count += bytes.count
      return count <= byteCountMax
    }
  }

  func ended(_ failure: HTTPFailure?) {
    continuation.yield(.ended(failure))
    continuation.finish()
    ticker.cancel()
  }
}

/// A value under a lock.
final class Guarded<Value>: @unchecked Sendable {
  private let lock = NSLock()
  private var value: Value

  init(_ value: Value) { self.value = value }

  func with<Result>(_ body: (inout Value) -> Result) -> Result {
    lock.lock()
    defer { lock.unlock() }
    return body(&value)
  }
}
