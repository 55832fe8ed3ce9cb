import ClusterConfiguration
import Testing

@Suite struct RunTextTests {
  @Test(
    "A run's text reads back as the run",
    arguments: [
      """
      name: digits
      model: {name: digits, architecture: mlp 64-128-10}
      data: {features: 64, classes: 10}
      rounds: 3
      training: {learning-rate: 0.1}
      clip: 4
      cohort: {minimum: 5}
      """,
      """
      name: "007"
      model: {name: "1e3", architecture: mlp 3-2, seed: 18446744073709551615}
      data: {features: 3, classes: 2, scale: 0.1}
      rounds: 1000000
      aggregation: plain
      strategy: {server-learning-rate: 1.0e-3}
      training: {learning-rate: 1.0e-5, local-epochs: 7, batch-size: 9, momentum: 0.9, weight-decay: 0.01, proximal: 1}
      clip: 0.333333333
      maximum-weight: 9
      encoding: compact
      expected-examples: 7
      cohort:
        {minimum: 9, maximum: 12, allow-pair: true, goal: 10, over-selection: 1.25, minimum-organisations: 4, organisation-cap: 0.4, minimum-honest-sum: 5,
         labels: {site: "north \\"one\\"", gpu: "yes"}, minimum-threads: 3}
      suite: aes-256
      mode: semi-honest
      deadlines: {advert: 1ms, share: 1500ms, input: 2h, agree: 5m, unmask: 3s}
      seed: 9
      hold-out: 0.25
      maximum-attempts: 7
      weight: 3
      take-back: {loss-ratio: never}
      """,
      """
      name: watched
      model: {name: digits, architecture: mlp 64-128-10}
      data: {features: 64, classes: 10}
      rounds: 3
      training: {learning-rate: 0.1}
      aggregation: plain
      clip: 4
      cohort: {minimum: 5, goal: 7, sampling: loss, patience: 30m}
      deadlines: {input: 1h, derive-input: {quantile: 0.8, margin: 1.5, shortest: 700ms}}
      stop: {measure: accuracy, accuracy: 0.97, loss: 0.05, patience: 12, after: 36h, updates: 70, bytes: 10 GB}
      take-back: {loss-ratio: 1.5}
      evaluation: {central: true, deadline: 90s}
      """,
    ])
  func roundTrip(text: String) throws {
    let run = try RunConfiguration.read(ConfigurationFile(path: "run.yaml", text: text))
    #expect(try RunConfiguration.read(ConfigurationFile(path: "again.yaml", text: run.text)) == run)
  }

  @Test("Durations are written in the largest unit that makes them whole numbers")
  func durations() throws {
    let text = """
      name: a
      model: {name: a, architecture: mlp 2-2}
      data: {features: 2, classes: 2}
      rounds: 1
      training: {learning-rate: 0.1}
      clip: 1
      cohort: {minimum: 5, patience: 36h}
      deadlines: {advert: 90s, share: 120s, input: 1500ms}
      evaluation: {deadline: 3600s}
      """
    let written = try RunConfiguration.read(ConfigurationFile(path: "run.yaml", text: text)).text
    for line in ["patience: 36h", "advert: 90s", "share: 2m", "input: 1500ms", "deadline: 1h"] {
      #expect(written.contains(line), "\(line): \(written)")
    }
  }
}
