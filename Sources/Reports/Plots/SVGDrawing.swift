/// An SVG picture, element by element. Lengths are pixels, y grows downwards.
struct SVGDrawing {
  enum Anchor: String {
    case start, middle, end
  }

  static let font = "Helvetica, Arial, 'DejaVu Sans', sans-serif"

  let width: Double
  let height: Double
  private var elements: [String] = []

  init(width: Double, height: Double) {
    self.width = width
    self.height = height
  }

  mutating func line(
    from start: (Double, Double), to end: (Double, Double), _ colour: String, width: Double = 1, dash: String = ""
  ) {
    elements.append(
      "<line x1=\"\(Self.length(start.0))\" y1=\"\(Self.length(start.1))\" x2=\"\(Self.length(end.0))\" "
        + "y2=\"\(Self.length(end.1))\" stroke=\"\(colour)\" stroke-width=\"\(Self.length(width))\"\(Self.dashes(dash))/>"
    )
  }

  mutating func path(_ points: [(Double, Double)], _ colour: String, width: Double, dash: String = "") {
    let text = points.map { "\(Self.length($0.0)),\(Self.length($0.1))" }.joined(separator: " ")
    elements.append(
      "<polyline points=\"\(text)\" fill=\"none\" stroke=\"\(colour)\" stroke-width=\"\(Self.length(width))\" "
        + "stroke-linejoin=\"round\"\(Self.dashes(dash))/>")
  }

  /// - Parameter note: what a reader sees who points at it.
  mutating func rectangle(
    x: Double, y: Double, width: Double, height: Double, _ colour: String, outline: String? = nil, note: String? = nil
  ) {
    let shape =
      "<rect x=\"\(Self.length(x))\" y=\"\(Self.length(y))\" width=\"\(Self.length(width))\" "
      + "height=\"\(Self.length(height))\" fill=\"\(colour)\"" + (outline.map { " stroke=\"\($0)\"" } ?? "")
    elements.append(note.map { "\(shape)><title>\(MarkupText.escaped($0))</title></rect>" } ?? shape + "/>")
  }

  mutating func dot(_ centre: (Double, Double), radius: Double, _ colour: String) {
    elements.append(
      "<circle cx=\"\(Self.length(centre.0))\" cy=\"\(Self.length(centre.1))\" r=\"\(Self.length(radius))\" "
        + "fill=\"\(colour)\"/>")
  }

  /// - Parameters:
  ///   - baseline: where the letters stand.
  ///   - isUpright: false for a text that reads from bottom to top.
  mutating func text(
    _ text: String, x: Double, baseline: Double, size: Double = 11, _ colour: String = Ink.text,
    anchor: Anchor = .start, isBold: Bool = false, isUpright: Bool = true
  ) {
    let turn = isUpright ? "" : " transform=\"rotate(-90 \(Self.length(x)) \(Self.length(baseline)))\""
    let weight = isBold ? " font-weight=\"bold\"" : ""
    elements.append(
      "<text x=\"\(Self.length(x))\" y=\"\(Self.length(baseline))\" font-size=\"\(Self.length(size))\" "
        + "fill=\"\(colour)\" text-anchor=\"\(anchor.rawValue)\"\(weight)\(turn)>\(MarkupText.escaped(text))</text>")
  }

  /// About how wide a text is in an unknown font.
  static func width(of text: String, size: Double = 11) -> Double { Double(text.count) * size * 0.56 }

  /// The picture as an element of a page or, with its first line, as a file.
  func element(label: String) -> String {
    let size = "\(Self.length(width)) \(Self.length(height))"
    return """
      <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(size)" width="\(Self.length(width))" \
      height="\(Self.length(height))" role="img" aria-label="\(MarkupText.escaped(label))" font-family="\(Self.font)">
      <rect width="\(Self.length(width))" height="\(Self.length(height))" fill="#ffffff"/>
      \(elements.joined(separator: "\n"))
      </svg>
      """
  }

  private static func dashes(_ dash: String) -> String { dash.isEmpty ? "" : " stroke-dasharray=\"\(dash)\"" }

  /// A tenth of a pixel is enough, and makes small files.
  private static func length(_ value: Double) -> String {
    let text = NumberText.decimal(value, 1)
    return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
  }
}

/// Text inside XML.
enum MarkupText {
  /// Characters that XML 1.0 does not know become question marks.
  static func escaped(_ text: String) -> String {
    var out = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": out += "&amp;"
      case "<": out += "&lt;"
      case ">": out += "&gt;"
      case "\"": out += "&quot;"
      case "\u{9}", "\u{A}": out.unicodeScalars.append(scalar)
      case "\u{0}"..."\u{1F}", "\u{FFFE}", "\u{FFFF}": out += "?"
      default: out.unicodeScalars.append(scalar)
      }
    }
    return out
  }
}
