import Federation

internal import CFederationMessages

/// Builds the C form of messages that are about to be packed. Everything made lives as long as the arena.
extension MessageArena {
  /// A message with protobuf-c's defaults, then changed by `fill`.
  func make<Message>(
    _ initialise: (UnsafeMutablePointer<Message>?) -> Void, _ fill: (inout Message) -> Void
  ) -> UnsafeMutablePointer<Message> {
    let message = storage(for: Message.self, count: 1)
    initialise(message)
    fill(&message.pointee)
    return message
  }

  func data(_ bytes: [UInt8]) -> ProtobufCBinaryData {
    guard !bytes.isEmpty else { return ProtobufCBinaryData(len: 0, data: nil) }
    let copy = storage(for: UInt8.self, count: bytes.count)
    copy.initialize(from: bytes, count: bytes.count)
    return ProtobufCBinaryData(len: bytes.count, data: copy)
  }

  func data(_ value: some FixedBytes) -> ProtobufCBinaryData { data(value.bytes) }

  func text(_ text: String) -> ProtobufCBinaryData { data(Array(text.utf8)) }

  func text(_ name: some Name) -> ProtobufCBinaryData { text(name.text) }

  /// A text for people: NUL is left out, and what is longer than `max` bytes is cut at the start of a character.
  func prose(_ text: String, max: Int = WireLimits.detailBytesMax) -> ProtobufCBinaryData {
    var out: [UInt8] = []
    for scalar in text.unicodeScalars where scalar.value != 0 {
      let encoded = Array(UTF8.encode(scalar).map(Array.init) ?? [])
      if out.count + encoded.count > max { break }
      out += encoded
    }
    return data(out)
  }

  /// The pointers of a repeated message field, in order.
  func list<Element, Message>(
    _ elements: [Element], _ draft: (Element) -> UnsafeMutablePointer<Message>
  ) -> UnsafeMutablePointer<UnsafeMutablePointer<Message>?>? {
    guard !elements.isEmpty else { return nil }
    let pointers = storage(for: UnsafeMutablePointer<Message>?.self, count: elements.count)
    for (i, element) in elements.enumerated() { (pointers + i).initialize(to: draft(element)) }
    return pointers
  }

  /// The values of a repeated scalar or text field, in order.
  func values<Value>(_ values: [Value]) -> UnsafeMutablePointer<Value>? {
    guard !values.isEmpty else { return nil }
    let copy = storage(for: Value.self, count: values.count)
    copy.initialize(from: values, count: values.count)
    return copy
  }

  /// - Precondition: the arena is unbounded, as for every message that is sent, and memory is left.
  private func storage<T>(for type: T.Type, count: Int) -> UnsafeMutablePointer<T> {
    guard let bytes = allocate(MemoryLayout<T>.stride * count) else {
      preconditionFailure("out of memory for a message")
    }
    return bytes.bindMemory(to: T.self, capacity: count)
  }
}
