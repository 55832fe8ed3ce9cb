import Cryptography
import Federation

/// The event log: one line of JSON for every message delivered, timer and action, in the order in which they happen.
///
/// Names, kinds, sizes and digests only: no weight, no share, no key. Numbers are whole, so that no format of a
/// fraction can differ; two runs with one seed give the same bytes.
struct EventLog {
  enum Value {
    case text(String)
    case number(UInt64)
  }

  private(set) var lineCount = 0
  private var hash = SHA256()
  private let write: (String) -> Void

  init(_ write: @escaping (String) -> Void) { self.write = write }

  /// - Parameter node: who it happened to.
  mutating func append(
    at time: MonotonicTime, _ node: String, _ event: String, _ fields: KeyValuePairs<String, Value> = [:]
  ) {
    var line = "{\"t\":\(time.nanoseconds),\"node\":\(Self.quoted(node)),\"event\":\(Self.quoted(event))"
    for (key, value) in fields {
      switch value {
      case .text(let text): line += ",\"\(key)\":\(Self.quoted(text))"
      case .number(let number): line += ",\"\(key)\":\(number)"
      }
    }
    line += "}"
    lineCount += 1
    hash.update(Array(line.utf8))
    hash.update([10])
    write(line)
  }

  /// SHA-256 of all lines, each with its line feed.
  var digest: Digest {
    var copy = hash
    return Digest(unchecked: copy.finalize())
  }

  static func quoted(_ text: String) -> String {
    var out = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": out += "\\\""
      case "\\": out += "\\\\"
      default:
        if scalar.value < 32 {
          out += "\\u00" + [UInt8(scalar.value)].hex
        } else {
          out.unicodeScalars.append(scalar)
        }
      }
    }
    return out + "\""
  }
}

extension EventLog.Value: ExpressibleByStringLiteral {
  init(stringLiteral value: String) { self = .text(value) }
}
