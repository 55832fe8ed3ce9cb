import ArgumentParser
import ClusterConfiguration
import ClusterRuntime
import Federation
import ModelRegistry
import Tensors

/// The models in a coordinator's or a serving node's folder, read beside the process that writes them.
struct StoreOptions: ParsableArguments {
  @OptionGroup var home: HomeOption

  /// - Returns: the store, with the members who may sign what is in it.
  func open() throws -> (store: DirectoryModelStore, membership: MembershipList) {
    let directory = try home.directory(of: "the coordinator or a serving node")
    let federation = try FederationFile.load(path: "\(directory)/\(FederationFile.name)")
    let root: String
    if DurableFile.exists(directory + "/coordinator.yaml") {
      root = try CoordinatorConfiguration.load(path: directory + "/coordinator.yaml").modelDirectory
    } else {
      root = try ServingConfiguration.load(path: directory + "/serving.yaml").modelDirectory
    }
    return (try DirectoryModelStore(reading: root), federation.membership)
  }
}

extension ModelsCommand {
  /// `murmur models diff A B`.
  struct Diff: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "diff",
      abstract: "Compare two versions tensor by tensor; no weight is printed.",
      discussion: """
        Compares two versions in the folder of the coordinator or a serving node, or two folders that 'murmur pull' wrote.

        Examples:

            murmur models diff digits@3 digits@best --home demo/coordinator
            murmur models diff digits-3 digits-4
        """)

    @Argument(help: ArgumentHelp("A reference, such as NAME@3, or a pulled folder.", valueName: "version"))
    var first: String

    @Argument(help: ArgumentHelp("What to compare with it.", valueName: "version"))
    var second: String

    @OptionGroup var options: StoreOptions
    @OptionGroup var output: OutputOption

    func run() throws {
      let difference = ModelDifference(from: try load(first), to: try load(second))
      if output.json { return Terminal.print(try JSONOutput.document(DifferenceResult(difference))) }
      for line in DifferenceText.lines(difference) { Terminal.print(line) }
    }

    private func load(_ text: String) throws -> (manifest: Manifest, tensors: [NamedTensor]) {
      guard !DurableFile.exists(text + "/" + VersionFile.manifest.name) else { return try Self.load(folder: text) }
      let (store, _) = try options.open()
      let version = try store.find(ModelReference(parsing: text))
      return (version.manifest, try store.artifact(of: version).tensors)
    }

    /// Digests are checked; who signed is not asked: 'murmur verify' does.
    private static func load(folder: String) throws -> (manifest: Manifest, tensors: [NamedTensor]) {
      let bytes = try DurableFile.read("\(folder)/\(VersionFile.manifest.name)", byteCountMax: Manifest.byteCountMax)
      let manifest: Manifest
      do throws(ManifestError) {
        manifest = try Manifest(bytes: bytes)
      } catch {
        throw VerificationError.manifest(error)
      }
      let file = try DurableFile.read(
        "\(folder)/\(VersionFile.model.name)", byteCountMax: DirectoryModelStore.blobByteCountMax)
      return (manifest, try manifest.verify(file: file))
    }
  }

  /// `murmur models verify NAME@REF`.
  struct Verify: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "verify",
      abstract: "Check a stored version: every blob, the file, the manifest's signature and the model signature.",
      discussion: """
        Ends with 0 if everything holds and with 5 if anything does not, saying what.

        Example:

            murmur models verify digits@latest --home demo/coordinator
        """)

    @Argument(help: ArgumentHelp("NAME@3, NAME@champion or NAME@sha256:….", valueName: "reference"))
    var reference: String

    @OptionGroup var options: StoreOptions
    @OptionGroup var output: OutputOption

    private struct Result: Encodable {
      let version: String
      let digest: String
      let signer: String
      let hasModelSignature: Bool
      let retired: String?
    }

    func run() throws {
      let (store, membership) = try options.open()
      let version = try store.find(ModelReference(parsing: reference))
      let manifest = try version.signed.verify(membership: membership)
      _ = try store.artifact(of: version)
      try version.attachments?.verify(version.signed, membership: membership)
      let retired = try store.retired(of: manifest.model).first { $0.version == manifest.version }?.reason
      let result = Result(
        version: "\(manifest.model)@\(manifest.version)", digest: "sha256:\(version.digest)",
        signer: manifest.signer.text, hasModelSignature: version.attachments != nil, retired: retired)
      guard !output.json else { return Terminal.print(try JSONOutput.document(result)) }
      Terminal.print("version          \(result.version)" + (retired.map { ", retired: \($0)" } ?? ""))
      Terminal.print("digest           \(result.digest)")
      Terminal.print("bytes            verified, \(manifest.tensors.count) tensors")
      Terminal.print("signer           \(result.signer), signature verified")
      Terminal.print("model signature  \(result.hasModelSignature ? "verified, key endorsed" : "none")")
    }
  }

  /// `murmur models export NAME@REF`.
  struct Export: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "export",
      abstract: "Write a version as a plain folder: weights, manifest, model card, signatures.",
      discussion: """
        Everything is verified first, and the folder appears complete or not at all. With OpenSSF's program, the files are \
        verified by: model_signing verify key DIR --signature DIR/model.sig --public_key DIR/signing-key.pem

        Example:

            murmur models export digits@best -o digits --home demo/coordinator
        """)

    @Argument(help: ArgumentHelp("NAME@3, NAME@champion or NAME@sha256:….", valueName: "reference"))
    var reference: String

    @Option(
      name: [.short, .long], help: ArgumentHelp("The folder to make: a path where nothing is.", valueName: "dir"))
    var output: String

    @OptionGroup var options: StoreOptions
    @OptionGroup var format: OutputOption

    private struct Result: Encodable {
      let version: String
      let path: String
      let files: [String]
    }

    func run() throws {
      let (store, membership) = try options.open()
      let version = try store.find(ModelReference(parsing: reference))
      let manifest = try version.signed.verify(membership: membership)
      try version.attachments?.verify(version.signed, membership: membership)
      guard !DurableFile.exists(output) else {
        throw CommandFailure(.usage, "\(output): found something there, expected a path where nothing is")
      }
      let folder = VersionFolder(version, artifact: try store.artifact(of: version))
      try folder.write(to: output)
      let result = Result(
        version: "\(manifest.model)@\(manifest.version)", path: output, files: folder.files.map(\.file.name).sorted())
      guard !format.json else { return Terminal.print(try JSONOutput.document(result)) }
      Terminal.print("\(result.version) in \(output): \(result.files.joined(separator: ", "))")
    }
  }
}

/// A difference of two versions for people.
enum DifferenceText {
  static func lines(_ difference: ModelDifference) -> [String] {
    var tensors = TextTable([
      ("TENSOR", .left), ("", .left), ("CHANGED", .right), ("NORM", .right), ("RELATIVE", .right), ("LARGEST", .right),
    ])
    for row in difference.tensors { tensors.append(cells(row.name, row.difference)) }
    if let total = difference.total { tensors.append(cells("all", .changed(total))) }
    let width = difference.facts.map(\.name.count).max() ?? 0
    return tensors.lines + [""]
      + difference.facts.map { fact in
        "\(TextTable.pad(fact.name, to: width, .left))  \(fact.first ?? "none") -> \(fact.second ?? "none")"
      }
  }

  private static func cells(_ name: String, _ difference: ModelDifference.Tensor) -> [String] {
    guard case .changed(let change) = difference else { return [name, difference.word, "-", "-", "-", "-"] }
    return [
      name, difference.word, "\(change.count) of \(change.elements)", Readable.decimal(change.norm, 6),
      change.relative.map { Readable.decimal($0, 6) } ?? "-", Readable.decimal(change.largest, 6),
    ]
  }
}

extension ModelDifference.Tensor {
  var word: String {
    switch self {
    case .same: "same"
    case .changed: "changed"
    case .replaced: "replaced"
    case .added: "added"
    case .removed: "removed"
    }
  }
}

/// The JSON form of a difference of two versions.
struct DifferenceResult: Encodable {
  struct Tensor: Encodable {
    let name: String
    let difference: String
    let changed: Int?
    let elements: Int?
    let norm: Double?
    let relative: Double?
    let largest: Double?

    init(_ name: String, _ difference: ModelDifference.Tensor) {
      self.name = name
      self.difference = difference.word
      let change: ModelDifference.Change? = if case .changed(let change) = difference { change } else { nil }
      changed = change?.count
      elements = change?.elements
      // JSON has no infinity: a norm that is not finite is left out.
      norm = change.flatMap { $0.norm.isFinite ? $0.norm : nil }
      relative = change?.relative.flatMap { $0.isFinite ? $0 : nil }
      largest = change.flatMap { $0.largest.isFinite ? $0.largest : nil }
    }
  }

  struct Fact: Encodable {
    let name: String
    let first: String?
    let second: String?
  }

  let tensors: [Tensor]
  let total: Tensor?
  let manifests: [Fact]

  init(_ difference: ModelDifference) {
    tensors = difference.tensors.map { Tensor($0.name, $0.difference) }
    total = difference.total.map { Tensor("all", .changed($0)) }
    manifests = difference.facts.map { Fact(name: $0.name, first: $0.first, second: $0.second) }
  }
}
