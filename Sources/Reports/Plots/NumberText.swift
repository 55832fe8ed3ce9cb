/// Numbers as tables and axes show them: the same text on every machine.
package enum NumberText {
  /// With a fixed number of digits behind the point.
  package static func decimal(_ value: Double, _ digits: Int) -> String {
    guard value.isFinite, abs(value) < 1e12 else { return "\(value)" }
    let scale = (0..<digits).reduce(1) { power, _ in power * 10 }
    let whole = Int((abs(value) * Double(scale)).rounded())
    let sign = value < 0 && whole > 0 ? "-" : ""
    guard digits > 0 else { return "\(sign)\(whole)" }
    let fraction = String(whole % scale)
    return "\(sign)\(whole / scale).\(String(repeating: "0", count: digits - fraction.count))\(fraction)"
  }

  /// With about four significant digits, and no more than it takes: `0.0132`, `0.9`, `1.07`, `35.2`, `1438`.
  package static func short(_ value: Double) -> String {
    let size = abs(value)
    if size == value.rounded().magnitude, size < 1e6 { return decimal(value, 0) }
    if size >= 1000 { return decimal(value, 0) }
    if size >= 10 { return decimal(value, 1) }
    if size >= 1 { return decimal(value, 2) }
    guard size >= 0.001 else { return "\(value)" }
    var text = decimal(value, 4)
    while text.hasSuffix("0") { text.removeLast() }
    return text
  }

  /// A share as a percentage; a dash where there is no whole.
  static func share(_ part: Double, of whole: Double) -> String {
    whole > 0 ? "\(decimal(100 * part / whole, 1)) %" : "-"
  }

  /// `512 B`, `38.2 KiB`, `1.4 MiB`.
  package static func bytes(_ count: Double) -> String {
    let unit = Unit.bytes(upTo: count)
    return unit.scale == 1 ? "\(decimal(count, 0)) B" : "\(decimal(count / unit.scale, 1)) \(unit.name)"
  }

  /// `0.65 s`, `41.0 min`, `7.3 h`.
  package static func duration(_ seconds: Double) -> String {
    let unit = Unit.time(upTo: seconds)
    return "\(decimal(seconds / unit.scale, unit.scale == 1 && seconds < 10 ? 2 : 1)) \(unit.name)"
  }
}

/// What numbers on an axis count.
package struct Unit: Hashable, Sendable {
  package let name: String
  /// Seconds, or bytes, in one of it.
  package let scale: Double

  /// The unit in which so many seconds are read at a glance.
  package static func time(upTo seconds: Double) -> Unit {
    switch seconds {
    case ..<180: Unit(name: "s", scale: 1)
    case ..<10_800: Unit(name: "min", scale: 60)
    case ..<345_600: Unit(name: "h", scale: 3600)
    default: Unit(name: "days", scale: 86_400)
    }
  }

  package static func bytes(upTo count: Double) -> Unit {
    var unit = Unit(name: "B", scale: 1)
    for name in ["KiB", "MiB", "GiB", "TiB"] where count >= 1023.95 * unit.scale {
      unit = Unit(name: name, scale: unit.scale * 1024)
    }
    return unit
  }
}
