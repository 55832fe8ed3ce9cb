import Foundation
import Testing

@Suite struct InspectTests {
  @Test("The CNN of McMahan et al. is a table of its layers")
  func table() async throws {
    let result = try await Program.run("inspect", "mcmahan-cnn")
    #expect(result.code == 0, "\(result)")
    let lines = result.output.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
    #expect(lines.contains(["input", "image", "1x28x28", "1x28x28"]))
    #expect(lines.contains(["conv2d", "4", "64", "5x5", "pad", "2", "64x14x14", "51264", "20.070"]))
    #expect(lines.contains(["max-pool", "6", "2x2", "64x7x7"]))
    #expect(lines.contains(["parameters", "1663370", "in", "8", "tensors,", "6.3", "MiB", "as", "F32"]))
  }

  @Test("A model file, a text and the JSON say the same")
  func sources() async throws {
    let workspace = try Workspace()
    let file = try workspace.file("model.yaml", "input: {features: 4}\nlayers: [dense: 3, relu, dense: 2]\n")
    let fromFile = try await Program.run("inspect", file, "--json")
    let fromText = try await Program.run("inspect", "mlp 4-3-2", "--json")
    #expect(fromFile.code == 0, "\(fromFile)")
    #expect(fromFile.output == fromText.output)
    let object = try JSONSerialization.jsonObject(with: Data(fromFile.output.utf8)) as? [String: Any]
    #expect(object?["architecture"] as? String == "mlp 4-3-2")
    #expect(object?["parameters"] as? Int == 23)
    #expect(object?["flops"] as? Int == 36)
    #expect((object?["layers"] as? [[String: Any]])?.map { $0["output"] as? [Int] } == [[3], [3], [2]])
  }

  @Test(
    "What is no model is refused with the reason",
    arguments: [
      (["inspect", "nowhere.yaml"], 3, "nowhere.yaml: found no such file, expected a model file"),
      (["inspect", "cnn"], 2, "found 'cnn', expected features, image or tokens"),
      (
        ["inspect", "image 1x9x9 > dense 3"], 2,
        "dense 1: found an image 1x9x9, expected a vector; put flatten before it"
      ),
    ] as [([String], Int32, String)])
  func refused(arguments: [String], code: Int32, reason: String) async throws {
    let result = try await Program.run(arguments)
    #expect(result.code == code, "\(result)")
    #expect(result.error.contains(reason), "\(result)")
    #expect(result.complaints.count == 1)
  }
}
