import ArgumentParser
import ClusterRuntime
import DataSources
import ModelRegistry

/// `murmur data get NAME`.
struct DataGetCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "get",
    abstract: "Fetch a public data set from its official place, or take it from a path, and check its SHA-256.",
    discussion: """
      A file gets its name only if it is, byte for byte, the one that this program knows. What is interrupted leaves \
      NAME.partial; the same command then asks for the rest of it, and skips the files that are there. Federation and \
      scenario files find a data set by 'source: NAME' where this command puts it without --output.

      Examples:

          murmur data get --list
          murmur data get mnist --output mnist
          murmur data get shakespeare --from ~/Downloads/input.txt
      """)

  @Argument(help: ArgumentHelp("The data set; --list shows all.", valueName: "name"))
  var name: String?

  @Flag(name: .long, help: "Show the data sets, their sizes, licences and places.")
  var list = false

  @Option(
    name: .long,
    help: ArgumentHelp("Take the files from this folder, or the only one from this file.", valueName: "path"))
  var from: String?

  @Option(
    name: .long,
    help: ArgumentHelp("Fetch from this folder instead, such as https://mirror.example/mnist.", valueName: "address"))
  var mirror: String?

  @Option(
    name: [.short, .long],
    help: ArgumentHelp(
      "The folder to write to; made if it is not there. Without it, NAME in the folder in the environment's MURMUR_DATA, "
        + "or else in ~/.cache/murmuration.", valueName: "dir"))
  var output: String?

  @OptionGroup var format: OutputOption

  func validate() throws {
    guard list != (name != nil) else { throw ValidationError("expected the name of a data set, or --list") }
    guard from == nil || mirror == nil else { throw ValidationError("expected one of --from and --mirror") }
  }

  func run() async throws {
    guard let name else { return try SourceResult.print(DataSource.all, format) }
    guard let source = DataSource.named(name) else {
      throw CommandFailure(
        .notFound,
        "\(name): found no data set of that name, expected one of "
          + DataSource.all.map(\.name).joined(separator: ", "))
    }
    guard !source.places.isEmpty || from != nil || mirror != nil else {
      throw CommandFailure(
        .usage, "\(name): found neither --from nor --mirror, expected one: this data set has no public place")
    }
    let directory = output ?? source.cacheDirectory()
    try DurableFile.createDirectory(directory)
    let task = Task {
      for file in source.files { try await get(file, of: source, to: "\(directory)/\(file.localName)") }
    }
    try Interruption.handle { _ in task.cancel() }
    do {
      try await task.value
    } catch let error as DataSourceError {
      throw CommandFailure(error.category, "\(error)")
    }
    if format.json {
      Terminal.print(
        try JSONOutput.document(FetchedResult(source, paths: source.files.map { "\(directory)/\($0.localName)" })))
    }
  }

  private func get(_ file: DataSource.File, of source: DataSource, to path: String) async throws(DataSourceError) {
    var how = "there already"
    if try !file.isThere(at: path) {
      if let from {
        try file.copy(from: from, to: path)
        how = "copied"
      } else {
        let meter = TransferMeter(path)
        defer { meter.end() }
        try await Download().run(file, from: mirror.map { [$0] } ?? source.places, to: path) {
          meter.show(UInt64($0), of: UInt64(file.byteCount))
        }
        how = "fetched"
      }
    }
    if !format.json {
      Terminal.print("\(path)  \(Readable.bytes(UInt64(file.byteCount))), SHA-256 verified, \(how)")
    }
  }
}

extension DataSourceError {
  fileprivate var category: ExitCategory {
    switch self {
    case .refused(_, let status): status == 404 || status == 410 ? .notFound : .network
    case .unreachable, .truncated, .silent, .tooSlow: .network
    case .tooLong, .wrongDigest, .wrongLength: .verificationFailed
    case .badAddress, .occupied: .usage
    case .missing: .notFound
    case .busy, .file, .cancelled: .failed
    }
  }
}

private struct FetchedResult: Encodable {
  struct File: Encodable {
    let path: String
    let bytes: Int
    let sha256: String
  }

  let name: String
  let files: [File]

  init(_ source: DataSource, paths: [String]) {
    name = source.name
    files = zip(source.files, paths).map { File(path: $1, bytes: $0.byteCount, sha256: $0.digest) }
  }
}

private struct SourceResult: Encodable {
  let name: String
  let summary: String
  let licence: String
  let places: [String]
  let bytes: Int

  static func print(_ sources: [DataSource], _ format: OutputOption) throws {
    let results = sources.map {
      SourceResult(
        name: $0.name, summary: $0.summary, licence: $0.licence, places: $0.places, bytes: $0.byteCount)
    }
    guard !format.json else { return Terminal.print(try JSONOutput.document(results)) }
    for result in results {
      Terminal.print("\(result.name)  \(Readable.bytes(UInt64(result.bytes))), \(result.licence): \(result.summary)")
      for place in result.places { Terminal.print("  \(place)") }
    }
  }
}
