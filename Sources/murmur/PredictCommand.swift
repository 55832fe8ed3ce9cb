import ArgumentParser
import ClusterRuntime
import Federation
import ModelRegistry
import Prediction
import Pulling
import Training

/// `murmur predict`.
struct PredictCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "predict",
    abstract: "Ask a serving node, or a pulled model, what it makes of rows of features.",
    discussion: """
      Reads CSV with or without a line of column names, NPY, IDX, or JSON in a file whose name ends in .json: rows of \
      numbers, or a request of the Open Inference Protocol. Features are given as they are in the data: the model's scale \
      is applied where it computes. All rows are answered by one version.

      Examples:

          murmur predict digits --input new.csv --server https://models.example
          murmur predict digits@champion --input held-out.csv --label digit --server http://127.0.0.1:8080
          murmur predict --local digits --input new.npy --output answers.csv
      """)

  @Argument(
    help: ArgumentHelp(
      "Which model: NAME for the version that the node gives, NAME@3, NAME@alias or NAME@sha256:….",
      valueName: "reference"))
  var reference: String?

  @Option(name: [.short, .long], help: ArgumentHelp("The rows: CSV, NPY, IDX or .json.", valueName: "file"))
  var input: String

  @Option(
    name: .long,
    help: ArgumentHelp("The CSV column that is no feature but the right answer.", valueName: "column"))
  var label: String?

  @Option(name: .long, help: ArgumentHelp("The serving node's HTTP interface.", valueName: "address"))
  var server: String?

  @Option(
    name: .long,
    help: ArgumentHelp("In place of a node, a folder that 'murmur pull' wrote; asks nobody.", valueName: "dir"))
  var local: String?

  @Option(
    name: [.short, .long],
    help: ArgumentHelp(
      "Write all answers to this file: JSON if its name ends in .json, otherwise CSV.", valueName: "file"))
  var output: String?

  @OptionGroup var web: WebOptions
  @OptionGroup var format: OutputOption

  func validate() throws {
    guard (reference == nil) == (local != nil) else {
      throw ValidationError("expected the name of a model, or --local")
    }
    guard (server == nil) == (local != nil) else { throw ValidationError("expected one of --server and --local") }
  }

  func run() async throws {
    let table = try table()
    let (model, predictions) = try await predictions(of: table)
    let report = PredictionReport(model: model, predictions, labels: table.labels)
    guard let output else {
      return Terminal.print(format.json ? try JSONOutput.document(report.document(withRows: true)) : report.text)
    }
    let text = output.hasSuffix(".json") ? try JSONOutput.document(report.document(withRows: true)) + "\n" : report.csv
    try DurableFile.write(Array(text.utf8), to: output)
    Terminal.print(format.json ? try JSONOutput.document(report.document(withRows: false)) : report.summary)
  }

  private func table() throws -> FeatureTable {
    guard input.hasSuffix(".json") else { return try FeatureTable.load(path: input, label: label) }
    guard label == nil else { throw CommandFailure(.usage, "--label: found it beside JSON, expected a CSV file") }
    return try RequestFile.read(DurableFile.read(input, byteCountMax: RequestFile.byteCountMax), file: input)
  }

  private func predictions(of table: FeatureTable) async throws -> (model: String, Predictions) {
    if let local {
      let stored = try StoredModel(local)
      let predictor = try LocalPredictor(stored.parameters(), of: stored.architecture, scale: stored.scale)
      return (local, try predictor.predict(table))
    }
    guard let reference, let server else { preconditionFailure("validated: a model and a node, or a folder") }
    let access = try web.access()
    let address = try PullClient.webAddress(server, access)
    let client = PredictionClient(address, apiKey: access.apiKey)
    let (name, version) = try await Self.parse(reference) { reference in
      try await HTTPSource(address, apiKey: access.apiKey, patience: .seconds(30)).resolve(reference)
    }
    let meter = TransferMeter(reference, isWanted: !format.json)
    defer { meter.end() }
    let bytesPerRow = UInt64(4 * table.featureCount)
    let (found, answering) = try await client.predict(table, model: name, version: version) {
      meter.show(UInt64($0) * bytesPerRow, of: UInt64(table.count) * bytesPerRow)
    }
    return (answering.isEmpty ? name : "\(name)@\(answering)", found)
  }

  /// A model's name and what stands for its version in a path; nil for a name alone.
  ///
  /// - Parameter resolve: asks which version a digest is of: the inference protocol knows no digests.
  private static func parse(
    _ text: String, resolve: (ModelReference) async throws -> ResolvedVersion
  ) async throws -> (name: String, version: String?) {
    let reference = try ModelReference(orLatest: text)
    guard text.contains("@") else { return (reference.model.text, nil) }
    switch reference.selector {
    case .version(let version): return (reference.model.text, "\(version)")
    case .alias(let alias): return (reference.model.text, alias.text)
    case .digest(let digest):
      let signed = try await resolve(reference).signed
      guard signed.digest == digest, let manifest = try? Manifest(bytes: signed.bytes) else {
        throw CommandFailure(.verificationFailed, "\(text): found another manifest, expected that of the digest")
      }
      return (reference.model.text, "\(manifest.version)")
    }
  }
}
