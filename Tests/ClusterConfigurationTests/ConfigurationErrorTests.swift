import ClusterConfiguration
import ModelRegistry
import Testing

@Suite("What is wrong with a configuration is one line with file, line, key, found and expected")
struct ConfigurationErrorTests {
  struct Case: CustomTestStringConvertible, Sendable {
    /// Replaced in `shortRun`.
    let old: String
    let new: String
    let line: String
    var testDescription: String { new }
  }

  static let cases = [
    Case(
      old: "rounds: 20", new: "roundz: 20",
      line: "run.yaml:8: key 'roundz': found an unknown key, expected 'rounds', the nearest known key"),
    Case(
      old: "    name: digits", new: "    nmae: digits",
      line: "run.yaml:3: key 'model.nmae': found an unknown key, expected 'name', the nearest known key"),
    Case(
      old: "  learning-rate: 0.1", new: "  learning-rate: 0.1\n  optimiser-of-choice: adam",
      line: "run.yaml:11: key 'training.optimiser-of-choice': found an unknown key, expected one of 'learning-rate', "
        + "'local-epochs', 'local-steps', 'batch-size', 'optimizer', 'momentum', 'weight-decay', 'proximal', "
        + "'clip-gradient', 'clip-example-gradients', 'schedule' or 'warm-up'"),
    Case(
      old: "  learning-rate: 0.1", new: "  learning-rate: 0.1\n  optimizer: nesterov",
      line: "run.yaml:11: key 'training.optimizer': found nesterov without a momentum, expected 'momentum' above 0"),
    Case(
      old: "  learning-rate: 0.1", new: "  learning-rate: 0.1\n  momentum: 0.9\n  optimizer: adam",
      line: "run.yaml:11: key 'training.momentum': found it beside Adam, expected beta1 of the optimizer"),
    Case(
      old: "  learning-rate: 0.1", new: "  learning-rate: 0.1\n  local-steps: 5\n  local-epochs: 2",
      line: "run.yaml:11: key 'training.local-steps': found it beside 'local-epochs', expected one of them"),
    Case(
      old: "  learning-rate: 0.1", new: "  learning-rate: 0.1\n  schedule: {cosine: {rounds: 10, final: 2}}",
      line: "run.yaml:11: key 'training.schedule.cosine.final': found 2, expected a number from 0 to 1"),
    Case(
      old: "rounds: 20", new: "rounds: \"20\"",
      line: "run.yaml:8: key 'rounds': found \"20\", expected an integer from 1 to 1000000"),
    Case(
      old: "rounds: 20", new: "rounds: 0",
      line: "run.yaml:8: key 'rounds': found 0, expected an integer from 1 to 1000000"),
    Case(
      old: "rounds: 20", new: "rounds: 2.5",
      line: "run.yaml:8: key 'rounds': found 2.5, expected an integer from 1 to 1000000"),
    Case(
      old: "rounds: 20", new: "rounds:",
      line: "run.yaml:8: key 'rounds': found nothing, expected an integer from 1 to 1000000"),
    Case(
      old: "rounds: 20", new: "rounds: [20]",
      line: "run.yaml:8: key 'rounds': found a list, expected an integer from 1 to 1000000"),
    Case(
      old: "rounds: 20\n", new: "",
      line: "run.yaml:1: key 'rounds': found no such key, expected an integer from 1 to 1000000"),
    Case(
      old: "    minimum: 5", new: "    goal: 5",
      line: "run.yaml:13: key 'cohort.minimum': found no such key, expected an integer from 2 to 10000"),
    Case(
      old: "clip: 4", new: "clip: -4", line: "run.yaml:11: key 'clip': found -4, expected a number above 0"),
    Case(old: "clip: 4", new: "clip: .inf", line: "run.yaml:11: key 'clip': found \".inf\", expected a number above 0"),
    Case(
      old: "clip: 4", new: "clip: 4\naggregation: open",
      line: "run.yaml:12: key 'aggregation': found \"open\", expected one of 'secure' or 'plain'"),
    Case(
      old: "clip: 4", new: "clip: 4\ndeadlines: {input: 10}",
      line: "run.yaml:12: key 'deadlines.input': found 10, expected a duration such as \"500ms\", \"10s\" or \"5m\" "
        + "from 0.001 seconds to 604800.0 seconds"),
    Case(
      old: "    minimum: 5", new: "    minimum: 5\n    organisation-cap: 4/3",
      line: "run.yaml:14: key 'cohort.organisation-cap': found \"4/3\", expected a ratio above 0 and at most 1, "
        + "such as \"1/3\""),
    Case(
      old: "    minimum: 5", new: "    minimum: 5\n    goal: 4",
      line: "run.yaml:14: key 'cohort.goal': found 4, expected an integer from 5 to 10000"),
    Case(
      old: "mlp 64-128-10", new: "mlp 64-x-10",
      line:
        "run.yaml:4: key 'model.architecture': found \"mlp 64-x-10\", expected a layer stack such as 'mlp 64-128-10'"),
    Case(
      old: "features: 64", new: "features: 63",
      line: "run.yaml:6: key 'data.features': found 63, expected 64, the inputs of 'mlp 64-128-10'"),
    Case(
      old: "classes: 10", new: "classes: 11",
      line: "run.yaml:7: key 'data.classes': found 11, expected 10, the outputs of 'mlp 64-128-10'"),
    Case(
      old: "name: digits\nmodel", new: "name: ../digits\nmodel",
      line: "run.yaml:1: key 'name': found \"../digits\", expected a name: 1 to 128 letters, digits, '.', '_' or '-', "
        + "a letter or digit first"),
    Case(
      old: "rounds: 20", new: "rounds: 20\nrounds: 21",
      line: "run.yaml:8: key 'rounds': found the key twice in one mapping, expected it once"),
    Case(
      old: "training:\n    learning-rate: 0.1", new: "training: 0.1",
      line: "run.yaml:9: key 'training': found 0.1, expected a mapping of keys to values"),
  ]

  @Test("in a run file", arguments: cases)
  func runFile(_ wrong: Case) throws {
    let text = shortRun.replacing(indentedOrNot(wrong.old), with: indentedOrNot(wrong.new))
    try #require(text != shortRun)
    let error = try #require(throws: ConfigurationError.self) { try RunConfiguration.read(file(text)) }
    #expect(error.description == wrong.line)
    #expect(!error.description.contains("\n"))
  }

  /// The cases are written with the indentation of this file's literals.
  private func indentedOrNot(_ text: String) -> String { text.replacing("    ", with: "  ") }

  @Test(
    "in text that is not YAML, not a mapping or nothing",
    arguments: [
      ("a: [1\n", "run.yaml:2: found bad YAML"), ("- a\n- b", "run.yaml:1: key '': found a list"),
      ("", "run.yaml: found an empty file"),
      ("\tname: x", "run.yaml:1: found bad YAML"), ("name: a\n---\nname: b", "run.yaml:2: found bad YAML"),
    ])
  func notAMapping(_ text: String, _ start: String) throws {
    let error = try #require(throws: ConfigurationError.self) { try RunConfiguration.read(file(text)) }
    #expect(error.description.hasPrefix(start.replacing(" key '':", with: "")), "\(error)")
  }

  @Test("in a file that is not there")
  func missingFile() throws {
    let error = try #require(throws: ConfigurationError.self) { try RunConfiguration.load(path: "/nowhere/run.yaml") }
    #expect(error.description == "/nowhere/run.yaml: found no such file, expected a run configuration")
  }

  @Test("in a file that is not UTF-8")
  func notUTF8() throws {
    let folder = try TemporaryFolder()
    try DurableFile.write([0xFF, 0xFE, 0x00], to: "\(folder.path)/run.yaml")
    let error = try #require(throws: ConfigurationError.self) {
      try RunConfiguration.load(path: "\(folder.path)/run.yaml")
    }
    #expect(error.found == "bytes that are not UTF-8")
  }
}
