import ClusterConfiguration
import Glibc
import ModelRegistry
import Testing

/// A run file with every key that has no default.
let shortRun = """
  name: digits
  model:
    name: digits
    architecture: mlp 64-128-10
  data:
    features: 64
    classes: 10
  rounds: 20
  training:
    learning-rate: 0.1
  clip: 4
  cohort:
    minimum: 5
  """

/// The text in another file's mapping `run`.
func indented(_ text: String) -> String {
  text.split(separator: "\n", omittingEmptySubsequences: false).map { "  " + $0 }.joined(separator: "\n")
}

func file(_ text: String, named path: String = "run.yaml") -> ConfigurationFile {
  ConfigurationFile(path: path, text: text)
}

/// The repository's top folder.
let repository = #filePath.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 }

/// A new folder that is removed when the value goes.
final class TemporaryFolder {
  let path: String

  init() throws {
    var template = Array("/tmp/murmur-test-XXXXXX".utf8CString)
    try #require(mkdtemp(&template) != nil)
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  deinit { try? DurableFile.remove(path) }

  func write(_ text: String, to name: String, mode: UInt32 = 0o644) throws {
    try DurableFile.write(Array(text.utf8), to: "\(path)/\(name)", mode: mode)
  }
}
