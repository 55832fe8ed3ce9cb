/// Why a text or a list of layers is not a model architecture.
package enum ArchitectureError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The first word names no input and no preset.
  case unknownFamily(String)
  /// Not of the form that the first word asks for.
  case malformed(String)
  /// A width that is not a whole number from 1 to `ModelArchitecture.widthMax`.
  case badWidth(String)
  case wrongLayerCount(found: Int, max: Int)
  /// A text, or the canonical text of a stack, that is longer than any message carries.
  case tooLong(found: Int, max: Int)
  /// A layer that does not fit where it stands, named by kind and position from 1; or the input, or the loss.
  case layer(String, found: String, expected: String)

  package var description: String {
    switch self {
    case .unknownFamily(let word):
      "found '\(word)', expected features, image or tokens, or one of \(ModelArchitecture.presetNames)"
    case .malformed(let text): "found '\(text)', expected a layer stack such as 'mlp 64-128-10'"
    case .badWidth(let text):
      "found the width '\(text)', expected a whole number from 1 to \(ModelArchitecture.widthMax)"
    case .wrongLayerCount(let found, let max): "found \(found) layers, expected 1 to \(max)"
    case .tooLong(let found, let max): "found a layer stack of \(found) characters, expected at most \(max)"
    case .layer(let name, let found, let expected): "\(name): found \(found), expected \(expected)"
    }
  }
}
