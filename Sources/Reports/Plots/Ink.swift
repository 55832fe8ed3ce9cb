/// Colours that colour-blind readers tell apart (Okabe and Ito 2008), in an order whose neighbours differ in lightness,
/// so that a print in grey can be read too.
enum Ink {
  static let text = "#1a1a1a"
  static let faint = "#5c5c5c"
  static let grid = "#e4e4e4"
  static let axis = "#4d4d4d"

  static let blue = "#0072b2"
  static let orange = "#e69f00"
  static let green = "#009e73"
  static let vermilion = "#d55e00"
  static let sky = "#56b4e9"
  static let purple = "#cc79a7"
  static let black = "#000000"
  static let grey = "#b4b4b4"
  static let light = "#d9d9d9"

  private static let sequence = [blue, vermilion, green, purple, black, orange, sky]
  private static let dashes = ["", "7 3", "2 2.5", "9 3 2 3"]

  /// Of the i-th series of a plot.
  static func series(_ index: Int) -> String { sequence[index % sequence.count] }

  /// Of the i-th series: lines stay apart without colour.
  static func dash(_ index: Int) -> String { dashes[index % dashes.count] }

  /// Of a heat map, from light (0) to dark (1); lightness alone carries the value.
  static func heat(_ share: Double) -> String {
    let low = (247.0, 251.0, 255.0), high = (8.0, 64.0, 129.0)
    let at = min(1, max(0, share))
    return "#"
      + [low.0 + (high.0 - low.0) * at, low.1 + (high.1 - low.1) * at, low.2 + (high.2 - low.2) * at]
      .map { hexadecimal(Int($0.rounded())) }.joined()
  }

  private static func hexadecimal(_ value: Int) -> String {
    let text = String(value, radix: 16)
    return text.count < 2 ? "0" + text : text
  }
}
