import Logging

/// What log lines do not say, whatever code passes to them.
package enum LogRedaction {
  /// Parts of the names of secret things.
  package static let deniedParts = ["secret", "token", "key", "authorization", "password", "passphrase", "credential"]
  package static let mark = "[redacted]"

  /// Whether the name of a value says that it is secret. Names that only look so are covered too: a count of tokens is
  /// no loss, a token is.
  package static func isDenied(_ name: String) -> Bool {
    let name = name.lowercased()
    return deniedParts.contains { name.contains($0) }
  }

  /// A value without what is secret in it.
  static func redacted(_ value: Logger.Metadata.Value) -> Logger.Metadata.Value {
    switch value {
    case .string, .stringConvertible: value
    case .array(let values): .array(values.map(redacted))
    case .dictionary(let members):
      .dictionary(
        Dictionary(uniqueKeysWithValues: members.map { ($0, isDenied($0) ? "\(mark)" : redacted($1)) }))
    }
  }
}
