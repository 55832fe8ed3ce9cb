#if GRPC
  import GRPCCore
  import GRPCProtobuf
  import Inference
  import SwiftProtobuf

  /// Decodes a message after its fields have been counted: an empty input takes two bytes on the wire and a hundred in
  /// memory, so that a message within the limit of bytes could become gigabytes.
  struct BoundedDeserializer<Message: SwiftProtobuf.Message>: MessageDeserializer {
    /// Most fields of the message and of the nested messages that are counted.
    let fieldsMax: Int
    /// Numbers of fields whose own fields count as well.
    let nested: Set<UInt64>

    func deserialize<Bytes: GRPCContiguousBytes>(_ bytes: Bytes) throws -> Message {
      let isWithin = bytes.withUnsafeBytes { buffer in
        var fields = WireFields(room: fieldsMax)
        return fields.fit(buffer, nested: nested)
      }
      guard isWithin else {
        throw RPCError(
          code: .resourceExhausted, message: "",
          cause: InferenceError(.tooLarge, "found more than \(fieldsMax) fields in a message, expected at most as many")
        )
      }
      return try ProtobufDeserializer<Message>().deserialize(bytes)
    }
  }

  /// Counts the fields of messages on the wire (Protocol Buffers, "Encoding"), without memory.
  private struct WireFields {
    /// Fields that may still come.
    var room: Int

    /// False if there are too many. What is no message has as many fields as can be read: decoding refuses it.
    mutating func fit(_ message: UnsafeRawBufferPointer, nested: Set<UInt64>) -> Bool {
      var rest = message[...]
      while let tag = Self.number(&rest) {
        room -= 1
        guard room >= 0 else { return false }
        switch tag & 7 {
        case 0: _ = Self.number(&rest)
        case 1: rest = rest.dropFirst(8)
        case 2:
          guard let count = Self.number(&rest), count <= rest.count else { return true }
          let value = rest.prefix(Int(count))
          rest = rest.dropFirst(Int(count))
          guard nested.contains(tag >> 3) else { continue }
          guard fit(UnsafeRawBufferPointer(rebasing: value), nested: []) else { return false }
        case 5: rest = rest.dropFirst(4)
        default: return true
        }
      }
      return true
    }

    /// Takes a variable-length number; nil at the end, and for what is none.
    private static func number(_ bytes: inout Slice<UnsafeRawBufferPointer>) -> UInt64? {
      var value: UInt64 = 0
      for shift in stride(from: UInt64(0), to: 64, by: 7) {
        guard let byte = bytes.popFirst() else { return nil }
        value |= UInt64(byte & 0x7F) << shift
        if byte < 0x80 { return value }
      }
      return nil
    }
  }
#endif
