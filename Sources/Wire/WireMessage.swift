import Membership

internal import CFederationMessages
internal import CProtobufC

/// Everything that one side of one socket may say. One type per socket and direction: a message that does not belong
/// there cannot be written, and is refused when read.
///
/// A message is one ZeroMQ message: the header frame made here and, where `payload` says so, one raw frame that the
/// caller sends or keeps beside it. Payload bytes never pass through this module.
package protocol WireMessage: Hashable, Sendable {
  /// What a frame of this socket may cost.
  static var limits: FrameLimits { get }
  /// The name in logs and traces.
  var kind: String { get }
  /// Whether a raw frame follows, and how long it must be.
  var payload: PayloadRule { get }
  /// The version in the envelope; `current` but for a greeting, which carries its sender's.
  var version: ProtocolVersion { get }

  func write(to draft: EnvelopeDraft)
  init(reading view: EnvelopeView) throws(WireError)
}

/// The raw frame beside a header.
package enum PayloadRule: Hashable, Sendable {
  case none
  case bytes(ClosedRange<Int>)
}

/// A message with what its envelope says beside it.
package struct Received<Message: WireMessage>: Hashable, Sendable {
  package let version: ProtocolVersion
  /// Chosen by who asks and repeated in the answer; 0 where nobody asked.
  package let request: UInt64
  package let message: Message
}

extension WireMessage {
  package var payload: PayloadRule { .none }
  package var version: ProtocolVersion { .current }

  /// The header frame.
  ///
  /// - Throws: `tooLarge` if the socket does not carry a frame of that size; nothing else.
  package func encoded(request: UInt64 = 0) throws(WireError) -> [UInt8] {
    let draft = EnvelopeDraft(version: version, request: request)
    write(to: draft)
    return try draft.packed(byteCountMax: Self.limits.headerBytesMax)
  }

  /// Reads a header frame and checks that a payload is there exactly when the header says so.
  ///
  /// - Parameters:
  ///   - header: frame 0; its size is checked before it is unpacked.
  ///   - payloadBytes: the length of frame 1; nil if there is none. A message of more frames is the caller's to refuse.
  package static func receive(_ header: RawSpan, payloadBytes: Int? = nil) throws(WireError) -> Received<Self> {
    let view = try EnvelopeView(header, limits: limits)
    let message = try Self(reading: view)
    switch (message.payload, payloadBytes) {
    case (.none, nil): break
    case (.bytes(let range), let count?) where range.contains(count): break
    case (.none, let count?): throw .badField("payload", found: "\(count) bytes", expected: "no payload frame")
    case (.bytes(let range), let count):
      throw .badField(
        "payload", found: count.map { "\($0) bytes" } ?? "no payload frame",
        expected: range.count == 1 ? "\(range.lowerBound) bytes" : "\(range.lowerBound) to \(range.upperBound) bytes")
    }
    return Received(version: view.version, request: view.request, message: message)
  }

  package static func receive(_ header: [UInt8], payloadBytes: Int? = nil) throws(WireError) -> Received<Self> {
    try receive(header.span.bytes, payloadBytes: payloadBytes)
  }

  /// As `receive`, for who needs nothing but the message.
  package init(decoding header: RawSpan, payloadBytes: Int? = nil) throws(WireError) {
    self = try Self.receive(header, payloadBytes: payloadBytes).message
  }

  package init(decoding header: [UInt8], payloadBytes: Int? = nil) throws(WireError) {
    self = try Self.receive(header.span.bytes, payloadBytes: payloadBytes).message
  }
}

/// An envelope that is being written.
package struct EnvelopeDraft {
  let arena = MessageArena()
  let envelope: UnsafeMutablePointer<Murmur__Envelope>

  init(version: ProtocolVersion, request: UInt64) {
    envelope = arena.make(murmur__envelope__init) {
      $0.protocol_major = version.major
      $0.protocol_minor = version.minor
      $0.request = request
    }
  }

  /// Sets the body: `body` makes the message in the arena and stores it in its member of the envelope's union.
  func set(_ body: Murmur__Envelope__BodyCase, _ store: (MessageArena, inout Murmur__Envelope) -> Void) {
    store(arena, &envelope.pointee)
    envelope.pointee.body_case = body
  }

  func packed(byteCountMax: Int) throws(WireError) -> [UInt8] {
    defer { withExtendedLifetime(arena) {} }
    let byteCount = murmur__envelope__get_packed_size(envelope)
    guard byteCount <= byteCountMax else { throw .tooLarge(byteCount: byteCount, byteCountMax: byteCountMax) }
    return [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, count in
      count = murmur__envelope__pack(envelope, buffer.baseAddress)
    }
  }
}

/// An envelope that was received: unpacked within its socket's limits, of a version that is spoken here.
package struct EnvelopeView {
  private let arena: MessageArena
  private let envelope: UnsafeMutablePointer<Murmur__Envelope>

  init(_ frame: RawSpan, limits: FrameLimits) throws(WireError) {
    guard frame.byteCount <= limits.headerBytesMax else {
      throw .tooLarge(byteCount: frame.byteCount, byteCountMax: limits.headerBytesMax)
    }
    let arena = MessageArena(bytesMax: limits.unpackedBytesMax, piecesMax: limits.allocationsMax)
    var allocator = arena.allocator
    let unpacked = frame.withUnsafeBytes { bytes in
      murmur__envelope__unpack(&allocator, bytes.count, bytes.assumingMemoryBound(to: UInt8.self).baseAddress)
    }
    guard let unpacked else { throw arena.isExhausted ? .overBudget : .malformed }
    guard unpacked.pointee.protocol_major == ProtocolVersion.current.major else {
      throw .unsupportedVersion(major: unpacked.pointee.protocol_major)
    }
    self.arena = arena
    envelope = unpacked
  }

  var version: ProtocolVersion {
    defer { withExtendedLifetime(arena) {} }
    return ProtocolVersion(major: envelope.pointee.protocol_major, minor: envelope.pointee.protocol_minor)
  }

  var request: UInt64 {
    defer { withExtendedLifetime(arena) {} }
    return envelope.pointee.request
  }

  /// Reads the body. The C message is valid inside `read` only.
  func read<Value>(_ read: (Murmur__Envelope) throws(WireError) -> Value) throws(WireError) -> Value {
    defer { withExtendedLifetime(arena) {} }
    return try read(envelope.pointee)
  }

  /// For a body that has no meaning here.
  var unknownBody: WireError {
    defer { withExtendedLifetime(arena) {} }
    let body = envelope.pointee.body_case.rawValue
    guard body == 0, let unknown = envelope.pointee.base.unknown_fields else {
      return .unknownBody(number: UInt32(body))
    }
    let tags = UnsafeBufferPointer(start: unknown, count: Int(envelope.pointee.base.n_unknown_fields)).map(\.tag)
    return .unknownBody(number: tags.min() ?? 0)
  }
}
