import ArgumentParser
import ClusterRuntime
import Glibc
import ModelRegistry

/// What goes with questions to a serving node's HTTP interface.
struct WebOptions: ParsableArguments {
  /// Longest key or token, in bytes.
  private static let keyByteCountMax = 16_384

  @Option(
    name: .long,
    help: ArgumentHelp(
      "A file with an API key or a token for https:// addresses. Without it, the environment's MURMUR_API_KEY.",
      valueName: "file"))
  var apiKeyFile: String?

  @Flag(name: .customLong("insecure-http"), help: "Let http:// addresses be of other machines than this one.")
  var allowsPlain = false

  func access() throws -> PullClient.WebAccess {
    PullClient.WebAccess(apiKey: try apiKey(), allowsPlain: allowsPlain)
  }

  private func apiKey() throws -> String? {
    let (text, place): (String, String)
    if let apiKeyFile {
      let bytes = try DurableFile.read(apiKeyFile, byteCountMax: Self.keyByteCountMax)
      (text, place) = (String(decoding: bytes, as: UTF8.self), apiKeyFile)
    } else {
      guard let given = getenv("MURMUR_API_KEY"), given.pointee != 0 else { return nil }
      (text, place) = (String(cString: given), "MURMUR_API_KEY")
    }
    let key = text.hasSuffix("\n") ? String(text.dropLast()) : text
    // It goes into a line of a header: nothing else may come with it.
    guard !key.isEmpty, key.utf8.allSatisfy({ (0x21...0x7E).contains($0) }), key.utf8.count <= Self.keyByteCountMax
    else { throw CommandFailure(.usage, "\(place): found no key, expected one line of printable characters") }
    return key
  }
}
