import ClusterConfiguration
import Federation
import Rounds
import Testing

/// Who takes part in the rounds of a run, how long it waits for them, and when it ends or goes back.
@Suite struct PolicySectionTests {
  private func run(_ lines: String, cohort: String = "minimum: 5") throws -> RunConfiguration {
    let text = """
      name: digits
      model: {name: digits, architecture: mlp 64-128-10}
      data: {features: 64, classes: 10}
      rounds: 3
      training: {learning-rate: 0.1}
      clip: 4
      cohort: {\(cohort)}
      \(lines)
      """
    return try RunConfiguration.read(ConfigurationFile(path: "run.yaml", text: text))
  }

  @Test("With a goal thirteen workers are asked for every ten that are wanted; without one everybody is")
  func overSelects() throws {
    #expect(try run("", cohort: "minimum: 5, goal: 10").cohortTarget(of: 100) == 13)
    #expect(try run("", cohort: "minimum: 5, goal: 11").cohortTarget(of: 100) == 15)
    #expect(try run("", cohort: "minimum: 5, goal: 10, over-selection: 1").cohortTarget(of: 100) == 10)
    #expect(try run("", cohort: "minimum: 5, goal: 10").cohortTarget(of: 12) == 12)
    #expect(try run("").cohortTarget(of: 100) == 100)
  }

  @Test("The deadline for inputs is derived unless the file gives one, and then too if it says how")
  func derives() throws {
    #expect(try run("").deadlines.report == ReportDeadline())
    #expect(try run("deadlines: {input: 60s}").deadlines.report == nil)
    let both = try run("deadlines: {input: 60s, derive-input: {quantile: 0.5}}").deadlines
    #expect(both.report == ReportDeadline(quantile: 0.5))
    #expect(both.input == .seconds(60))
  }

  @Test("Without the sections a run ends after its rounds, and takes back what is three times as bad")
  func defaults() throws {
    let run = try run("")
    #expect(run.watch == WatchRules())
    #expect(run.watch.maximumLossRatio == 3)
    #expect(run.cohort.sampling == .uniform)
    #expect(run.cohort.patience == .seconds(24 * 3600))
    #expect(!run.evaluation.isCentral && run.evaluation.deadline == .seconds(600))
  }

  @Test(
    "What cannot be meant is refused by line and key",
    arguments: [
      (
        "", "minimum: 5, over-selection: 1.5",
        "run.yaml:7: key 'cohort.over-selection': found it without 'goal', expected 'goal' beside it: how many updates "
          + "suffice"
      ),
      (
        "", "minimum: 5, sampling: loss",
        "run.yaml:7: key 'cohort': found 'sampling: loss' with secure aggregation, expected 'uniform' or "
          + "'availability': the coordinator never sees the loss of one worker"
      ),
      (
        "", "minimum: 5, sampling: random",
        "run.yaml:7: key 'cohort.sampling': found \"random\", expected one of 'uniform', 'availability' or 'loss'"
      ),
      (
        "stop: {accuracy: 1.2}", "minimum: 5",
        "run.yaml:8: key 'stop.accuracy': found 1.2, expected a number above 0, at most 1"
      ),
      (
        "stop: {patience: 0}", "minimum: 5",
        "run.yaml:8: key 'stop.patience': found 0, expected an integer from 1 to 1000000"
      ),
      (
        "stop: {updates: 0}", "minimum: 5",
        "run.yaml:8: key 'stop.updates': found 0, expected an integer from 1 to 1000000000000"
      ),
      (
        "stop: {bytes: 10 gigabytes}", "minimum: 5",
        "run.yaml:8: key 'stop.bytes': found \"10 gigabytes\", expected a size of at least 1 kB, such as \"10 GB\""
      ),
      (
        "stop: {bytes: 10 B}", "minimum: 5",
        "run.yaml:8: key 'stop.bytes': found \"10 B\", expected a size of at least 1 kB, such as \"10 GB\""
      ),
      (
        "take-back: {loss-ratio: 1}", "minimum: 5",
        "run.yaml:8: key 'take-back.loss-ratio': found 1, expected a number above 1, or 'never'"
      ),
      (
        "deadlines: {derive-input: {margin: 0.5}}", "minimum: 5",
        "run.yaml:8: key 'deadlines.derive-input.margin': found 0.5, expected a number from 1 to 100"
      ),
    ])
  func refuses(lines: String, cohort: String, message: String) {
    let error = #expect(throws: ConfigurationError.self) { try run(lines, cohort: cohort) }
    #expect(error?.description == message)
  }
}
