import ClusterConfiguration
import Federation
import Testing

@Suite("The training of a run file")
struct TrainingSectionTests {
  private static func run(_ training: String) -> String {
    """
    name: r
    model: {name: m, architecture: mlp 4-3}
    data: {features: 4, classes: 3}
    rounds: 7
    training: {learning-rate: 0.2, \(training)}
    clip: 1
    cohort: {minimum: 3, minimum-organisations: 1, organisation-cap: 1, minimum-honest-sum: 2}
    """
  }

  @Test(
    "Every optimizer and schedule is read, travels as its text, and is written as it was read",
    arguments: [
      ("batch-size: 4", "sgd"), ("optimizer: nesterov, momentum: 0.9", "nesterov"),
      ("optimizer: adam", "adam 0.9 0.999 1e-08"),
      ("optimizer: {adamw: {beta2: 0.99, epsilon: 1e-6}}, weight-decay: 0.1", "adamw 0.9 0.99 1e-06"),
      ("clip-gradient: 1, clip-example-gradients: 0.5, local-steps: 20", "sgd, clip 1.0, example-clip 0.5, steps 20"),
      ("schedule: {cosine: {rounds: 100, final: 0.1}}, warm-up: 5", "sgd, warm-up 5, cosine 100 0.1"),
      ("schedule: {linear: 30}", "sgd, linear 30 0.0"),
      ("schedule: {step: {every: 10, factor: 0.5}}", "sgd, step 10 0.5"),
      ("schedule: {exponential: 0.99}", "sgd, exponential 0.99"), ("schedule: constant", "sgd"),
    ])
  func optimizers(_ yaml: String, _ text: String) throws {
    let run = try RunConfiguration.read(ConfigurationFile(path: "run.yaml", text: Self.run(yaml)))
    #expect(run.training.optimizer.description == text)
    #expect(LocalOptimizer(parsing: text) == run.training.optimizer)
    #expect(try RunConfiguration.read(ConfigurationFile(path: "again.yaml", text: run.text)) == run)
  }
}
