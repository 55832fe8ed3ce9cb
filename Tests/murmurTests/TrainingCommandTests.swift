import ClusterRuntime
import Federation
import Foundation
import GradientKernel
import ModelRegistry
import Tensors
import Testing
import Training

/// `evaluate` with everything it can say, and `simulate --central`.
@Suite struct TrainingCommandTests {
  private static func write(_ architecture: ModelArchitecture, in workspace: Workspace) throws -> String {
    let tensors = architecture.initialParameters(seed: 1).tensors
    let path = workspace.path + "/model.safetensors"
    try DurableFile.write(ModelArtifact(tensors: tensors, model: "m", version: 0).file, to: path)
    return path
  }

  private static func object(_ result: Program.Result) throws -> [String: Any] {
    try #require(JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any])
  }

  @Test("Classes are judged by rank and by which is taken for which")
  func classes() async throws {
    let workspace = try Workspace()
    let model = try Self.write(ModelArchitecture(parsing: "mlp 64-10"), in: workspace)
    let arguments = ["evaluate", model, Program.digits, "--architecture", "mlp 64-10", "--scale", "16"]
    let result = try await Program.run(arguments + ["--top-k", "3", "--top-k", "10", "--confusion", "--json"])
    #expect(result.code == 0, "\(result)")
    let found = try Self.object(result)
    let ranks = try #require(found["topK"] as? [[String: Any]])
    #expect(ranks.map { $0["k"] as? Int } == [3, 10])
    #expect(ranks.last?["accuracy"] as? Double == 1)
    let classes = try #require(found["classes"] as? [[String: Any]])
    let counts = classes.compactMap { $0["predictions"] as? [Int] }
    #expect(counts.flatMap { $0 }.reduce(0, +) == 1797)
    #expect(counts.enumerated().reduce(0) { $0 + $1.element[$1.offset] } == found["correct"] as? Int)
    let text = try await Program.run(arguments + ["--top-k", "3", "--confusion"])
    #expect(text.output.contains("\ntop-3     ") && text.output.contains("precision"), "\(text.output)")
    let wrong = try await Program.run(arguments + ["--top-k", "11"])
    #expect(wrong.code == 2)
    #expect(wrong.error.contains("--top-k: found 11, expected at most 10"))
  }

  @Test("Numbers are judged by their errors, and a text by its perplexity with the vocabulary that it needs")
  func numbersAndTexts() async throws {
    let workspace = try Workspace()
    let linear = try Self.write(ModelArchitecture(parsing: "linear 2"), in: workspace)
    let data = try workspace.file("rents.csv", "a,b,rent\n1,2,3\n4,5,-1\n")
    let result = try await Program.run(
      "evaluate", linear, data, "--target", "rent", "--architecture", "linear 2", "--json")
    #expect(result.code == 0, "\(result)")
    // The model is zero: the squares of 3 and 1, and their mean.
    let numbers = try Self.object(result)
    #expect(numbers["rmse"] as? Double == 5.0.squareRoot())
    #expect(numbers["mae"] as? Double == 2)
    #expect(numbers["accuracy"] == nil)
    let classes = try await Program.run("evaluate", linear, data, "--label", "rent", "--architecture", "linear 2")
    #expect(classes.code == 2, "\(classes)")

    let layers = "tokens 4 of 3 > embedding 2 > lstm 2 > dense 3"
    let model = try Self.write(ModelArchitecture(parsing: layers), in: workspace)
    let text = try workspace.file("text.txt", "abcabcabcabca")
    let vocabulary = workspace.path + "/vocabulary.json"
    try #require(CharacterVocabulary(["a", "b", "c"])).write(to: vocabulary)
    let judged = try await Program.run(
      "evaluate", model, text, "--architecture", layers, "--vocabulary", vocabulary, "--json")
    #expect(judged.code == 0, "\(judged)")
    let found = try Self.object(judged)
    #expect(found["examples"] as? Int == 12)
    let loss = try #require(found["loss"] as? Double), perplexity = try #require(found["perplexity"] as? Double)
    #expect(abs(perplexity - exp(loss)) < 1e-6)
    let blind = try await Program.run("evaluate", model, text, "--architecture", layers)
    #expect(blind.code == 2)
    #expect(blind.error.contains("--vocabulary: found none"))
  }

  @Test("A scenario's model is trained in one place, the same on any number of threads")
  func central() async throws {
    let scenario = Program.digits.replacingOccurrences(of: "Data/optdigits.csv", with: "digits.yaml")
    let arguments = ["simulate", scenario, "--central", "--epochs", "3", "--json"]
    let one = try await Program.run(arguments + ["--threads", "1"])
    #expect(one.code == 0, "\(one)")
    let rows = try #require(JSONSerialization.jsonObject(with: Data(one.output.utf8)) as? [[String: Any]])
    #expect(rows.count == 3)
    #expect(try #require(rows.last?["heldOutAccuracy"] as? Double) > 0.85)
    let two = try await Program.run(arguments + ["--threads", "2"])
    let again = try #require(JSONSerialization.jsonObject(with: Data(two.output.utf8)) as? [[String: Any]])
    #expect(again.map { $0["trainingLoss"] as? Double } == rows.map { $0["trainingLoss"] as? Double })
    let text = try await Program.run("simulate", scenario, "--central", "--epochs", "1")
    #expect(text.output.contains("epoch  training loss  held-out loss  accuracy  seconds"))
    for wrong in [["--epochs", "3"], ["--central", "--epochs", "0"], ["--central", "--seeds", "1..2"]] {
      #expect(try await Program.run(["simulate", scenario] + wrong).code == 2, "\(wrong)")
    }
  }
}
