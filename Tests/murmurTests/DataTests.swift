import Foundation
import Testing

/// `murmur data …` as users type it.
@Suite struct DataTests {
  private static func object(_ result: Program.Result) throws -> [String: Any] {
    try #require(JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any], "\(result)")
  }

  /// 60 examples of 6 wards, class 0 or 1.
  private static let wards =
    "ward,x,label\n" + (0..<60).map { "\"ward \($0 % 6)\",\($0),\($0 / 30)\n" }.joined()

  private static let withoutWards = wards.replacing(/"?ward( [0-9]")?,/, with: "")

  @Test("inspect says what the digits are")
  func inspect() async throws {
    let text = try await Program.run("data", "inspect", "Simulations/Data/optdigits.csv")
    #expect(text.code == 0)
    #expect(
      text.output.hasPrefix(
        """
        file      Simulations/Data/optdigits.csv
        format    csv, 265358 bytes
        examples  1797
        features  64, pixel_0_0 to pixel_7_7
        values    0 to 16, mean 4.8842
        label     digit, 10 classes

        class  examples   share
        0           178  0.0991

        """), "\(text.output)")
    let json = try Self.object(await Program.run("data", "inspect", Program.digits, "--json"))
    #expect(json["labels"] as? [Int] == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180])
    #expect(json["features"] as? Int == 64 && json["format"] as? String == "csv")
  }

  @Test("inspect says what a text is, and which groups a table has")
  func inspectOthers() async throws {
    let workspace = try Workspace()
    let play = try workspace.file("play.txt", "A:\nho\n\nB:\nhe\n")
    let json = try Self.object(await Program.run("data", "inspect", play, "--json"))
    #expect(json["vocabulary"] as? String == "\n:ABeho" && json["roles"] as? Int == 2)
    let table = try workspace.file("wards.csv", Self.wards)
    let text = try await Program.run("data", "inspect", table, "--column", "ward")
    #expect(text.output.contains("features  1, x to x\n"), "\(text)")
    #expect(text.output.hasSuffix("ward 5        10  0.1667\n"), "\(text)")
  }

  @Test("stats are of the same training part as the partition's, and normalise others alike")
  func stats() async throws {
    let workspace = try Workspace()
    let own = workspace.path + "/own.json"
    let stats = try await Program.run(
      "data", "stats", Program.digits, "--hold-out", "0.2", "--normalisation", own, "--method", "min-max")
    #expect(stats.code == 0 && stats.output.hasSuffix("of 1438 examples\n"), "\(stats)")
    let dealt = try await Program.run(
      "data", "partition", Program.digits, "--parts", "3", "--output", workspace.path, "--normalise", "min-max")
    #expect(dealt.code == 0, "\(dealt)")
    #expect(
      try String(contentsOfFile: own, encoding: .utf8)
        == String(contentsOfFile: workspace.path + "/normalisation.json", encoding: .utf8))
    let part = try Self.object(
      await Program.run("data", "inspect", workspace.path + "/worker-1/data.csv", "--json"))
    #expect(part["maximum"] as? Double == 1)
  }

  @Test(
    "Every partitioner deals all examples out, once, and says how skewed the parts are",
    arguments: [
      ["--iid"], ["--alpha", "0.1"], ["--shards", "2"], ["--quantity", "0.5"], ["--column", "ward"], [],
    ])
  func partition(options: [String]) async throws {
    let workspace = try Workspace()
    let text = options.first == "--column" ? Self.wards : Self.withoutWards
    let file = try workspace.file("wards.csv", text)
    let result = try await Program.run(
      ["data", "partition", file, "--parts", "3", "--output", workspace.path, "--hold-out", "0", "--json"] + options)
    let parts = try #require(Self.object(result)["parts"] as? [[String: Any]])
    #expect(parts.compactMap { $0["examples"] as? Int }.reduce(0, +) == 60)
    #expect(parts.allSatisfy { (0...1).contains($0["skew"] as? Double ?? -1) })
    let header = try String(contentsOfFile: workspace.path + "/worker-1/data.csv", encoding: .utf8).prefix {
      $0 != "\n"
    }
    #expect(header == "x,label")
  }

  @Test("Numbers to predict are dealt and looked at without classes")
  func regression() async throws {
    let workspace = try Workspace()
    let file = try workspace.file("rent.csv", "rent,x,y\n" + (0..<40).map { "\($0)5,\($0),1\n" }.joined())
    let text = try await Program.run("data", "inspect", file, "--target", "rent,y")
    #expect(
      text.code == 0 && text.output.hasSuffix("features  1, x to x\nvalues    0 to 39, mean 19.5\ntargets   rent, y\n"))
    let dealt = try await Program.run(
      "data", "partition", file, "--parts", "3", "--output", workspace.path, "--iid", "--target", "rent")
    #expect(dealt.code == 0 && dealt.output.hasPrefix("file"), "\(dealt)")
    #expect(!dealt.output.contains("skew"))
    let part = try String(contentsOfFile: workspace.path + "/worker-1/data.csv", encoding: .utf8)
    #expect(part.hasPrefix("x,y,rent\n"))
  }

  @Test("A text is dealt by its roles")
  func partitionText() async throws {
    let workspace = try Workspace()
    let play = try workspace.file("play.txt", (0..<40).map { "R\($0 % 4):\nline \($0)\n\n" }.joined())
    let result = try await Program.run(
      "data", "partition", play, "--parts", "4", "--output", workspace.path, "--hold-out", "0", "--column", "role")
    #expect(result.code == 0, "\(result)")
    let third = try String(contentsOfFile: workspace.path + "/worker-3/data.txt", encoding: .utf8)
    #expect(third.split(separator: "\n").filter { $0.hasSuffix(":") } == [Substring](repeating: "R2:", count: 10))
    let vocabulary = try String(contentsOfFile: workspace.path + "/worker-3/vocabulary.json", encoding: .utf8)
    #expect(try vocabulary == String(contentsOfFile: workspace.path + "/vocabulary.json", encoding: .utf8))
    #expect(vocabulary.contains("\"\\n 0123456789:Reiln\""), "\(vocabulary)")
  }

  @Test(
    "Wrong options and files are refused in one line",
    arguments: [
      (["partition", "WARDS", "--parts", "2", "--output", "x", "--iid", "--shards", "2"], 2, "at most one of --iid"),
      (["partition", "WARDS", "--parts", "2", "--output", "x", "--shards", "0"], 2, "--shards: found 0"),
      (["partition", "WARDS", "--parts", "2", "--output", "x", "--quantity", "0"], 2, "--quantity: found 0"),
      (["partition", "WARDS", "--parts", "7", "--output", "/nowhere/x", "--column", "ward"], 2, "6 groups in column"),
      (["partition", "WARDS", "--parts", "2", "--output", "x", "--column", "town"], 2, "a group column named town"),
      (["partition", "WARDS", "--parts", "2", "--output", "x", "--normalise", "most"], 2, "--normalise"),
      (["inspect", "WARDS", "--label", "x", "--target", "x"], 2, "one of --label and --target"),
      (
        ["partition", "WARDS", "--parts", "2", "--output", "x", "--target", "x", "--column", "ward", "--alpha", "1"], 2,
        "at most one"
      ),
      (["partition", "WARDS", "--parts", "2", "--output", "/nowhere/x", "--target", "x,label"], 2, "column ward"),
      (
        ["partition", "UNWARDED", "--parts", "2", "--output", "/nowhere/x", "--target", "x"], 2,
        "without one class each"
      ),
      (["inspect", "WARDS"], 2, "wards.csv:2: column ward: found 'ward 0', expected a finite number"),
      (["inspect", "nowhere.npz"], 3, "nowhere.npz"), (["stats", "WARDS", "--hold-out", "1"], 2, "--hold-out"),
      (["get"], 2, "--list"), (["get", "mnist", "--list"], 2, "--list"),
      (["get", "imagenet"], 3, "mnist, mnist10k, shakespeare"),
      (["get", "mnist", "--from", "a", "--mirror", "b"], 2, "one of --from and --mirror"),
      (["get", "shakespeare", "--from", "/nowhere", "--output", "OUT"], 3, "/nowhere/tinyshakespeare.txt"),
      (["get", "shakespeare", "--mirror", "http://127.0.0.1:1", "--output", "OUT"], 6, "127.0.0.1:1/input.txt"),
      (["get", "shakespeare", "--mirror", "nowhere", "--output", "OUT"], 2, "nowhere"),
      (["get", "shakespeare", "--from", "WARDS", "--output", "OUT"], 5, "expected 1115394"),
    ] as [([String], Int32, String)])
  func refusals(arguments: [String], code: Int32, complaint: String) async throws {
    let workspace = try Workspace()
    let file = try workspace.file("wards.csv", Self.wards)
    let unwarded = try workspace.file("unwarded.csv", Self.withoutWards)
    let out = workspace.path + "/out"
    let result = try await Program.run(
      ["data"] + arguments.map { $0 == "WARDS" ? file : $0 == "UNWARDED" ? unwarded : $0 == "OUT" ? out : $0 })
    #expect(result.code == code, "\(result)")
    #expect(result.error.hasPrefix("murmur: ") && result.error.contains(complaint), "\(result)")
    #expect((try? FileManager.default.contentsOfDirectory(atPath: out)) ?? [] == [])
  }

  @Test("get lists what it knows")
  func list() async throws {
    let result = try await Program.run("data", "get", "--list")
    #expect(result.code == 0)
    #expect(result.output.contains("mnist  11.1 MiB, CC BY-SA 3.0"), "\(result)")
    #expect(result.output.contains("shakespeare  1.1 MiB, public domain"))
  }

  @Test("get takes a data set from a path once, and finds it there afterwards", .enabled(if: realShakespeare != nil))
  func getFromPath() async throws {
    let workspace = try Workspace()
    for how in ["copied", "there already"] {
      let result = try await Program.run(
        "data", "get", "shakespeare", "--from", Self.realShakespeare ?? "", "--output", workspace.path)
      #expect(result.code == 0 && result.output.hasSuffix("1.1 MiB, SHA-256 verified, \(how)\n"), "\(result)")
    }
    #expect(workspace.exists("tinyshakespeare.txt"))
  }

  /// Beside the repository, or in the environment's MURMUR_DATA; the repository itself does not hold it.
  private static let realShakespeare: String? = {
    let folder =
      ProcessInfo.processInfo.environment["MURMUR_DATA"]
      ?? URL(filePath: Program.root).deletingLastPathComponent().appending(path: "shared/data").path
    let path = folder + "/tinyshakespeare.txt"
    return FileManager.default.fileExists(atPath: path) ? path : nil
  }()

  @Test("A federation on this machine takes its data by any partitioner", arguments: ["{shards: 2}", "{column: ward}"])
  func upPartitions(partition: String) async throws {
    let workspace = try Workspace()
    let hasWards = partition.contains("ward")
    let data = try workspace.file("wards.csv", hasWards ? Self.wards : Self.withoutWards)
    let federation = try TinyFederation(dataFile: data, features: 1).write(to: workspace)
    let text = try String(contentsOfFile: federation, encoding: .utf8)
      .replacing("label: digit", with: "label: label\n  partition: \(partition)")
      .replacing("mlp 1-32-10", with: "mlp 1-4-2").replacing("classes: 10, scale: 16", with: "classes: 2, scale: 60")
    let file = try workspace.file("federation.yaml", text)
    let result = try await Program.run("up", file, "--home", workspace.path + "/home")
    #expect(result.code == 0, "\(result)")
    #expect(result.output.contains("48 examples dealt out"), "\(result)")
  }

  @Test("A source that was not fetched is refused with the file, the key, the line and the command that fetches it")
  func missingSource() async throws {
    let workspace = try Workspace()
    let federation = try TinyFederation().write(to: workspace)
    let text = try String(contentsOfFile: federation, encoding: .utf8)
    let line = try #require(
      text.split(separator: "\n", omittingEmptySubsequences: false).firstIndex { $0.contains("file:") })
    let file = try workspace.file(
      "federation.yaml", text.replacing(/file: .*/, with: "source: mnist10k"))
    let result = try await Program.run(
      "up", file, "--home", workspace.path + "/home", environment: ["MURMUR_DATA": workspace.path])
    #expect(result.code == 2)
    #expect(
      result.error.contains(
        "federation.yaml:\(line + 1): key 'data.source': found no file at \(workspace.path)/mnist10k/images-idx3-ubyte.gz, "
          + "expected that of 'murmur data get mnist10k'"), "\(result)")
    let get = try await Program.run("data", "get", "mnist10k", environment: ["MURMUR_DATA": workspace.path])
    #expect(get.code == 2 && get.error.contains("this data set has no public place"), "\(get)")
  }

  @Test("A source is found where 'murmur data get' puts it", .enabled(if: realShakespeare != nil))
  func source() async throws {
    let workspace = try Workspace()
    let mnist = URL(filePath: Self.realShakespeare ?? "").deletingLastPathComponent().path + "/mnist10k"
    let environment = ["MURMUR_DATA": workspace.path + "/cache"]
    let get = try await Program.run("data", "get", "mnist10k", "--from", mnist, environment: environment)
    #expect(get.code == 0, "\(get)")
    let federation = try TinyFederation(features: 784).write(to: workspace)
    let text = try String(contentsOfFile: federation, encoding: .utf8)
      .replacing(/file: .*/, with: "source: mnist10k")
      .replacing("label: digit", with: "training: {first: 300}").replacing("0.2", with: "{last: 200}")
      .replacing("scale: 16", with: "scale: 255")
    let file = try workspace.file("federation.yaml", text)
    let result = try await Program.run("up", file, "--home", workspace.path + "/home", environment: environment)
    #expect(result.code == 0, "\(result)")
    #expect(result.output.contains("300 examples dealt out") && result.output.contains("200 held out"), "\(result)")
    #expect(result.output.contains("of 200 held-out examples"), "\(result)")
  }
}
