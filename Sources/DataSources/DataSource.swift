import Foundation

import Cryptography

/// A public data set that is not part of this repository: where it is, and what its files have to be.
package struct DataSource: Hashable, Sendable {
  package struct File: Hashable, Sendable {
    /// At every place, and on disk unless `localName` says otherwise.
    package let name: String
    package let localName: String
    package let byteCount: Int
    /// SHA-256 in lower-case hexadecimal.
    package let digest: String

    package init(name: String, localName: String? = nil, byteCount: Int, digest: String) {
      self.name = name
      self.localName = localName ?? name
      self.byteCount = byteCount
      self.digest = digest
    }
  }

  /// As a user types it.
  package let name: String
  /// One line for people.
  package let summary: String
  package let licence: String
  /// Addresses of the folder with the files: the official one, then mirrors. None for files that are only handed on.
  package let places: [String]
  package let files: [File]
  /// Name on disk of the file with the examples to train on.
  package let examples: String

  package init(
    name: String, summary: String, licence: String, places: [String], files: [File], examples: String
  ) {
    self.name = name
    self.summary = summary
    self.licence = licence
    self.places = places
    self.files = files
    self.examples = examples
  }

  package var byteCount: Int { files.reduce(0) { $0 + $1.byteCount } }

  /// All that `murmur data get` knows.
  package static let all = [mnist, mnist10k, shakespeare]

  /// The folder in which `murmur data get` keeps this data set, and in which files find it: `NAME` in the environment's
  /// `MURMUR_DATA`, else in `murmuration` in `XDG_CACHE_HOME`, else in `.cache/murmuration` in `HOME`.
  package func cacheDirectory(_ environment: [String: String] = ProcessInfo.processInfo.environment) -> String {
    func folder(_ variable: String, _ rest: String) -> String? {
      guard let value = environment[variable], !value.isEmpty else { return nil }
      return value + rest
    }
    let root =
      folder("MURMUR_DATA", "") ?? folder("XDG_CACHE_HOME", "/murmuration") ?? folder("HOME", "/.cache/murmuration")
    return "\(root ?? "murmuration")/\(name)"
  }

  /// The source of a name; nil for none.
  package static func named(_ name: String) -> DataSource? { all.first { $0.name == name } }

  static let mnist = DataSource(
    name: "mnist", summary: "70,000 hand-written digits, 28 × 28 pixels, IDX (LeCun, Cortes, Burges)",
    licence: "CC BY-SA 3.0",
    places: [
      "https://yann.lecun.com/exdb/mnist", "https://ossci-datasets.s3.amazonaws.com/mnist",
      "https://storage.googleapis.com/cvdf-datasets/mnist",
    ],
    files: [
      File(
        name: "train-images-idx3-ubyte.gz", byteCount: 9_912_422,
        digest: "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
      File(
        name: "train-labels-idx1-ubyte.gz", byteCount: 28_881,
        digest: "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
      File(
        name: "t10k-images-idx3-ubyte.gz", byteCount: 1_648_877,
        digest: "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
      File(
        name: "t10k-labels-idx1-ubyte.gz", byteCount: 4_542,
        digest: "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    ], examples: "train-images-idx3-ubyte.gz")

  /// What benchmarks and tests are measured on: a part of MNIST that another repository packed as JSON, as IDX again.
  static let mnist10k = DataSource(
    name: "mnist10k",
    summary: "10,000 of MNIST's digits in a fixed order: the first 8,000 to train on, then 2,000 to test",
    licence: "CC BY-SA 3.0", places: [],
    files: [
      File(
        name: "images-idx3-ubyte.gz", byteCount: 1_613_780,
        digest: "604fd936e8e3b0a19fd236e29d33841b6478ad925ede285cd252277a21cdb81d"),
      File(
        name: "labels-idx1-ubyte.gz", byteCount: 5_112,
        digest: "1e9b126d5e0c77ebae6f8f1a591df833f5a618049bc12162803f66c253c3b641"),
    ], examples: "images-idx3-ubyte.gz")

  static let shakespeare = DataSource(
    name: "shakespeare", summary: "Scenes of Shakespeare's plays as one text, with their speaking roles (Karpathy)",
    licence: "public domain",
    places: ["https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare"],
    files: [
      File(
        name: "input.txt", localName: "tinyshakespeare.txt", byteCount: 1_115_394,
        digest: "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed")
    ], examples: "tinyshakespeare.txt")
}

/// A SHA-256 as the catalogue writes it.
func hexadecimal(_ bytes: [UInt8]) -> String {
  bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}
