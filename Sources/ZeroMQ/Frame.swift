import CZeroMQ

/// One part of a message: immutable bytes, received or to be sent, without copies.
///
/// A frame may be sent any number of times and to several peers; they share its memory. A small received frame can
/// keep a receive buffer of about 8 KiB alive: copy what outlives the handling of its message.
package final class Frame: @unchecked Sendable {
  /// On the heap, because libzmq forbids moving a `zmq_msg_t`.
  let message: UnsafeMutablePointer<zmq_msg_t>

  /// An empty frame, for zmq_msg_recv(3) to fill.
  init() {
    message = .allocate(capacity: 1)
    zmq_msg_init(message)
  }

  /// A frame with a copy of `bytes`.
  package convenience init(copying bytes: UnsafeRawBufferPointer) {
    self.init()
    guard let source = bytes.baseAddress, !bytes.isEmpty else { return }
    let result = zmq_msg_init_size(message, bytes.count)
    precondition(result == 0, "zmq_msg_init_size fails only when memory is exhausted")
    zmq_msg_data(message).copyMemory(from: source, byteCount: bytes.count)
    markShared()
  }

  /// A frame with a copy of `bytes`.
  package convenience init(copying bytes: [UInt8]) {
    self.init(copying: bytes.span.bytes)
  }

  /// A frame with a copy of `bytes`.
  package convenience init(copying bytes: RawSpan) {
    self.init()
    guard !bytes.isEmpty else { return }
    let result = zmq_msg_init_size(message, bytes.byteCount)
    precondition(result == 0, "zmq_msg_init_size fails only when memory is exhausted")
    bytes.withUnsafeBytes { source in
      UnsafeMutableRawBufferPointer(start: zmq_msg_data(message), count: source.count).copyMemory(from: source)
    }
    markShared()
  }

  /// A frame with the UTF-8 bytes of `text`.
  package convenience init(_ text: String) {
    self.init(copying: Array(text.utf8))
  }

  /// A frame over memory that `owner` keeps valid and unchanged, sent without a copy.
  ///
  /// The owner is released when neither a frame nor a connection needs the bytes any longer, possibly on a thread of
  /// libzmq: what its `deinit` does must be quick and must not touch sockets.
  package convenience init(sharing bytes: UnsafeRawBufferPointer, ownedBy owner: some AnyObject & Sendable) {
    self.init()
    guard let start = bytes.baseAddress, !bytes.isEmpty else { return }
    let result = zmq_msg_init_data(
      message, UnsafeMutableRawPointer(mutating: start), bytes.count,
      { _, owner in
        guard let owner else { return }
        Unmanaged<AnyObject>.fromOpaque(owner).release()
      }, Unmanaged<AnyObject>.passRetained(owner).toOpaque())
    precondition(result == 0, "zmq_msg_init_data fails only when memory is exhausted")
    markShared()
  }

  /// A frame over a block whose filling is finished, sent without a copy.
  package convenience init(sharing block: OwnedBlock) {
    self.init(sharing: UnsafeRawBufferPointer(block.bytes), ownedBy: block)
  }

  deinit {
    zmq_msg_close(message)
    message.deallocate()
  }

  package var count: Int { zmq_msg_size(message) }

  package var isEmpty: Bool { count == 0 }

  /// More frames of the same message follow this received one.
  var isFollowed: Bool { zmq_msg_more(message) != 0 }

  /// The bytes in place, for as long as the frame lives.
  package var bytes: RawSpan {
    @_lifetime(borrow self) get {
      let span = RawSpan(_unsafeStart: zmq_msg_data(message), byteCount: zmq_msg_size(message))
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }

  /// The bytes in place; the pointer is valid inside `body` only.
  package func withUnsafeBytes<Result, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let result = try body(UnsafeRawBufferPointer(start: zmq_msg_data(message), count: zmq_msg_size(message)))
    extendLifetime(self)
    return result
  }

  /// A copy of the bytes.
  package var array: [UInt8] { withUnsafeBytes { Array($0) } }

  /// The bytes as text; what is not UTF-8 becomes U+FFFD.
  package var text: String { withUnsafeBytes { String(decoding: $0, as: UTF8.self) } }

  /// Who sent a received frame, as the ``ZAPAuthenticator`` named the owner of the peer's key; nil if nobody was asked.
  package var userID: String? { property("User-Id") }

  /// The IP address a received frame came from; nil for `inproc://`.
  package var peerAddress: String? { property("Peer-Address").map(plainAddress) }

  private func property(_ name: String) -> String? {
    zmq_msg_gets(message, name).map { String(cString: $0) }
  }

  /// Makes zmq_msg_copy(3) of this frame safe on several threads at once.
  ///
  /// The first copy of a message turns its flag "shared" on without synchronisation, every later one only adds to an
  /// atomic count (libzmq 4.3.4, msg.cpp, `msg_t::copy`). So the first is made here, before other threads see it.
  func markShared() {
    var copy = zmq_msg_t()
    zmq_msg_init(&copy)
    zmq_msg_copy(&copy, message)
    zmq_msg_close(&copy)
  }
}

/// An IP address as people write it: sockets of both families call IPv4 peers `::ffff:192.0.2.1` (RFC 4291, 2.5.5.2).
func plainAddress(_ text: String) -> String {
  let prefix = "::ffff:"
  return text.hasPrefix(prefix) && text.contains(".") ? String(text.dropFirst(prefix.count)) : text
}

/// Memory to fill once and then hand to a ``Frame``, aligned to 64 bytes.
package final class OwnedBlock: @unchecked Sendable {
  package let bytes: UnsafeMutableRawBufferPointer
  private let whenReleased: (@Sendable () -> Void)?

  /// - Parameters:
  ///   - byteCount: size; the bytes start undefined.
  ///   - whenReleased: called once, after the last byte has left the process or its connection is gone, on any thread.
  ///     It must be quick: give credit back, count.
  package init(byteCount: Int, whenReleased: (@Sendable () -> Void)? = nil) {
    bytes = .allocate(byteCount: byteCount, alignment: 64)
    self.whenReleased = whenReleased
  }

  deinit {
    bytes.deallocate()
    whenReleased?()
  }
}
