import ArgumentParser
import ClusterConfiguration

/// `FIRST..LAST`.
struct SeedRange: ExpressibleByArgument {
  let numbers: ClosedRange<UInt64>

  init?(argument: String) {
    guard let dots = argument.firstRange(of: ".."), let first = UInt64(argument[..<dots.lowerBound]),
      let last = UInt64(argument[dots.upperBound...]), first <= last
    else { return nil }
    numbers = first...last
  }
}

/// `KEY=VALUE` of `--set`.
struct ScenarioChange: ExpressibleByArgument, Hashable {
  /// From the top of the scenario.
  let key: String
  let value: String

  init?(argument: String) {
    guard let (key, value) = Self.parts(argument) else { return nil }
    self.key = SimulationScenario.path(ofKey: key)
    self.value = value
  }

  var change: ConfigurationChange { ConfigurationChange(key: key, value: value) }

  /// Key and value, neither empty.
  static func parts(_ argument: String) -> (key: String, value: String)? {
    guard let equals = argument.firstIndex(of: "=") else { return nil }
    let key = String(argument[..<equals]), value = String(argument[argument.index(after: equals)...])
    return key.isEmpty || value.isEmpty ? nil : (key, value)
  }
}

/// `KEY=VALUE,VALUE…` of `--sweep`.
struct SweepAxis: ExpressibleByArgument, Hashable {
  let key: String
  /// At least one, all different.
  let values: [String]

  init?(argument: String) {
    guard let (key, text) = ScenarioChange.parts(argument) else { return nil }
    let values = Self.split(text)
    guard values.allSatisfy({ !$0.isEmpty }), Set(values).count == values.count else { return nil }
    self.key = SimulationScenario.path(ofKey: key)
    self.values = values
  }

  /// At commas that are not inside brackets, braces or quotes: a value may be any YAML on one line.
  static func split(_ text: String) -> [String] {
    var values = [""]
    var depth = 0
    var quote: Character?
    for character in text {
      if let open = quote {
        if character == open { quote = nil }
      } else if character == "\"" || character == "'" {
        quote = character
      } else if "[{".contains(character) {
        depth += 1
      } else if "]}".contains(character) {
        depth -= 1
      } else if character == ",", depth == 0 {
        values.append("")
        continue
      }
      values[values.count - 1].append(character)
    }
    return values.map { $0.trimmingPrefix(while: \.isWhitespace) }.map(String.init)
  }
}

/// A moment of virtual time.
struct VirtualMoment: ExpressibleByArgument {
  let text: String
  let duration: Duration

  init?(argument: String) {
    guard let duration = SimulationScenario.duration(argument), duration > .zero else { return nil }
    text = argument
    self.duration = duration
  }
}
