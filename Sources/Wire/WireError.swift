/// Why bytes from a peer are not a message, or why a message cannot be sent.
package enum WireError: Error, Hashable, Sendable, CustomStringConvertible {
  /// Not an Envelope: not protobuf, cut short, or a field of another wire type.
  case malformed
  /// The frame is longer than its socket carries.
  case tooLarge(byteCount: Int, byteCountMax: Int)
  /// The frame is short enough, but would unpack into more memory or more objects than its socket allows.
  case overBudget
  /// The peer speaks another major version; nothing else of the frame was looked at.
  case unsupportedVersion(major: UInt32)
  /// A message of another socket, of the other direction, of a later minor version (by its number in the Envelope), or
  /// none at all (0).
  case unknownBody(number: UInt32)
  /// A field that no honest peer sends; `field` is its path in Protocols/murmur.proto.
  case badField(_ field: String, found: String, expected: String)

  package var description: String {
    switch self {
    case .malformed: "not a message of this protocol"
    case .tooLarge(let count, let most): "a frame of \(count) bytes where at most \(most) are allowed"
    case .overBudget: "a frame that unpacks into more memory than its socket allows"
    case .unsupportedVersion(let major): "protocol version \(major) is not spoken here"
    case .unknownBody(0): "an envelope without a message"
    case .unknownBody(let number): "message \(number) does not belong here"
    case .badField(let field, let found, let expected): "\(field): found \(found), expected \(expected)"
    }
  }
}
