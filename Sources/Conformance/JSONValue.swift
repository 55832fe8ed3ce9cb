import Foundation

/// Any JSON value; whole numbers keep all 64 bits, signed or not.
enum JSONValue: Decodable, Equatable {
  case null
  case flag(Bool)
  case integer(Int64)
  case large(UInt64)  // Above Int64.max.
  case number(Double)
  case text(String)
  case list([JSONValue])
  case object([String: JSONValue])

  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let value = try? container.decode(Int64.self) {
      self = .integer(value)
    } else if let value = try? container.decode(String.self) {
      self = .text(value)
    } else if let value = try? container.decode(Double.self) {
      self = (try? container.decode(UInt64.self)).map(JSONValue.large) ?? .number(value)
    } else if let value = try? container.decode([JSONValue].self) {
      self = .list(value)
    } else if let value = try? container.decode([String: JSONValue].self) {
      self = .object(value)
    } else if let value = try? container.decode(Bool.self) {
      self = .flag(value)
    } else if container.decodeNil() {
      self = .null
    } else {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "a value of no JSON kind")
    }
  }

  var kind: String {
    switch self {
    case .null: "null"
    case .flag: "a truth value"
    case .integer, .large: "a whole number"
    case .number: "a number"
    case .text: "a text"
    case .list: "a list"
    case .object: "an object"
    }
  }
}
