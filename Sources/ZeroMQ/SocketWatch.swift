import CZeroMQ

/// What an ``IOLoop`` tells about a socket that it watches.
package enum SocketEvent: Sendable {
  case message(Message)
  /// A peer sent what this socket does not take; it is gone already. For counting and logging.
  case refused(RefusedMessage)
  /// Asked for with ``SocketWatch/notifyWhenWritable()``: sending may work again.
  case writable
  /// The socket cannot be read any longer; the watch has ended. A mistake of this process, never of a peer.
  case failed(ZeroMQError)
}

/// A loop's attention to one socket. All methods are for the loop's thread.
package final class SocketWatch: @unchecked Sendable {
  let handle: SocketHandle
  private let loop: IOLoop
  private let messagesPerTurnMax: Int
  private var handler: ((SocketEvent) -> Void)?
  private var isReading = true
  private var isAwaitingWritable = false

  init(
    _ handle: SocketHandle, on loop: IOLoop, messagesPerTurnMax: Int, handler: @escaping (SocketEvent) -> Void
  ) {
    self.handle = handle
    self.loop = loop
    self.messagesPerTurnMax = messagesPerTurnMax
    self.handler = handler
  }

  package var isActive: Bool { handler != nil }

  /// Stops reading: what peers send stays in libzmq's queues, and then in theirs.
  package func pause() {
    loop.checkIsolated()
    isReading = false
    loop.watchesChanged()
  }

  package func resume() {
    loop.checkIsolated()
    isReading = true
    loop.watchesChanged()
  }

  /// One ``SocketEvent/writable`` when a message can be queued again, at a DEALER or XPUB. A ROUTER always claims to be
  /// writable: there it tells nothing about a single peer.
  package func notifyWhenWritable() {
    loop.checkIsolated()
    isAwaitingWritable = true
    loop.watchesChanged()
  }

  /// Ends the watch; no event comes after it.
  package func cancel() {
    loop.checkIsolated()
    end()
    loop.watchesChanged()
  }

  func end() { handler = nil }

  /// What zmq_poll(3) is to look for.
  var pollEvents: Int16 {
    Int16((isReading ? ZMQ_POLLIN : 0) | (isAwaitingWritable ? ZMQ_POLLOUT : 0))
  }

  func serve(_ events: Int16) {
    if events & Int16(ZMQ_POLLOUT) != 0, isAwaitingWritable {
      isAwaitingWritable = false
      loop.watchesChanged()
      handler?(.writable)
    }
    guard events & Int16(ZMQ_POLLIN) != 0 else { return }
    for _ in 0..<messagesPerTurnMax where isReading {
      guard let handler else { return }
      do throws(ZeroMQError) {
        switch try handle.receive() {
        case .message(let message): handler(.message(message))
        case .refused(let message): handler(.refused(message))
        case .nothing: return
        }
      } catch {
        end()
        loop.watchesChanged()
        return handler(.failed(error))
      }
    }
  }
}
