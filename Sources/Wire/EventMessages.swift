import Federation
import ModelRegistry

internal import CFederationMessages

/// The events socket, from a consumer to a serving node. One raw frame follows: the rows.
package struct EventBatch: Hashable, Sendable {
  /// How the numbers of a row are written, little-endian.
  package enum Element: UInt32, Sendable, CaseIterable {
    case float32 = 1
    /// 0 to 255, such as the pixels of an image: a quarter of the bytes.
    case uint8 = 2

    package var byteCount: Int { self == .float32 ? 4 : 1 }
  }

  /// Which version of the model; an alias is looked up when the batch is read.
  package enum Version: Hashable, Sendable, CustomStringConvertible {
    case number(ModelVersion)
    case alias(Alias)

    package var description: String {
      switch self {
      case .number(let number): "\(number)"
      case .alias(let alias): "\(alias)"
      }
    }
  }

  package let model: ModelName
  /// Nil for the model's default.
  package let version: Version?
  /// 1 to `WireLimits.eventRowsMax`.
  package let rows: UInt32
  package let element: Element

  package init(model: ModelName, version: Version? = nil, rows: UInt32, element: Element) {
    self.model = model
    self.version = version
    self.rows = rows
    self.element = element
  }
}

/// The events socket, from a serving node to a consumer.
package enum EventReply: Hashable, Sendable {
  /// Followed by the predictions: F32, little-endian, shape [rows, width], all of one version.
  case predictions(version: ModelVersion, rows: UInt32, width: UInt32)
  case failed(Failure)
}

extension EventBatch: WireMessage {
  package static let limits = FrameLimits.events

  package var kind: String { "eventBatch" }

  package var payload: PayloadRule { .bytes(Int(rows) * element.byteCount...Self.limits.payloadBytesMax) }

  package func write(to draft: EnvelopeDraft) {
    draft.set(MURMUR__ENVELOPE__BODY_EVENT_BATCH) { arena, envelope in
      envelope.event_batch = arena.make(murmur__event_batch__init) {
        $0.model = arena.text(model.text)
        $0.version = arena.text(version.map { "\($0)" } ?? "")
        $0.rows = rows
        $0.element = element.rawValue
      }
    }
  }

  package init(reading view: EnvelopeView) throws(WireError) {
    self = try view.read { envelope throws(WireError) in
      guard envelope.body_case == MURMUR__ENVELOPE__BODY_EVENT_BATCH else { throw view.unknownBody }
      let message = try Field.required(envelope.event_batch, "event_batch")
      let model: ModelName = try Field.name(message.model, "event_batch.model")
      let text = try Field.text(message.version, "event_batch.version", min: 0, max: WireLimits.referenceBytesMax)
      guard (1...WireLimits.eventRowsMax).contains(message.rows) else {
        throw .badField("event_batch.rows", found: "\(message.rows)", expected: "1 to \(WireLimits.eventRowsMax)")
      }
      guard let element = Element(rawValue: message.element) else {
        throw .badField("event_batch.element", found: "\(message.element)", expected: "1 or 2")
      }
      return EventBatch(
        model: model, version: try Self.version(text), rows: message.rows, element: element)
    }
  }

  private static func version(_ text: String) throws(WireError) -> Version? {
    guard !text.isEmpty else { return nil }
    if let number = UInt64(text) { return .number(ModelVersion(number)) }
    guard let alias = Alias(text) else {
      throw .badField("event_batch.version", found: "'\(text.prefix(64))'", expected: "a number or an alias")
    }
    return .alias(alias)
  }
}

extension EventReply: WireMessage {
  package static let limits = FrameLimits.events

  package var kind: String {
    switch self {
    case .predictions: "predictions"
    case .failed: "failure"
    }
  }

  package var payload: PayloadRule {
    guard case .predictions(_, let rows, let width) = self else { return .none }
    let count = 4 * Int(rows) * Int(width)
    return .bytes(count...count)
  }

  package func write(to draft: EnvelopeDraft) {
    switch self {
    case .predictions(let version, let rows, let width):
      draft.set(MURMUR__ENVELOPE__BODY_PREDICTIONS) { arena, envelope in
        envelope.predictions = arena.make(murmur__predictions__init) {
          $0.version = version.value
          $0.rows = rows
          $0.width = width
        }
      }
    case .failed(let failure): draft.set(MURMUR__ENVELOPE__BODY_FAILURE) { $1.failure = failure.draft(in: $0) }
    }
  }

  package init(reading view: EnvelopeView) throws(WireError) {
    self = try view.read { envelope throws(WireError) in
      switch envelope.body_case {
      case MURMUR__ENVELOPE__BODY_PREDICTIONS:
        let message = try Field.required(envelope.predictions, "predictions")
        let (count, overflow) = Int(message.rows).multipliedReportingOverflow(by: 4 * Int(message.width))
        guard !overflow, count <= Self.limits.payloadBytesMax else {
          throw .badField(
            "predictions", found: "\(message.rows) rows of \(message.width)",
            expected: "at most \(Self.limits.payloadBytesMax) bytes")
        }
        return .predictions(version: ModelVersion(message.version), rows: message.rows, width: message.width)
      case MURMUR__ENVELOPE__BODY_FAILURE:
        return .failed(try Failure(wire: Field.required(envelope.failure, "failure")))
      default: throw view.unknownBody
      }
    }
  }
}
