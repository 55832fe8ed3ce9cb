import Federation
import Foundation
import ModelRegistry
import Pulling
import Testing

@testable import murmur

/// `murmur pull`, as far as it goes without a serving node.
@Suite struct PullCommandTests {
  @Test("Offline, what is not in the cache ends with 3, and nothing is written")
  func offline() async throws {
    let workspace = try Workspace()
    let home = try await workspace.makeFederation()
    for arguments in [[], ["-o", workspace.path + "/out"]] {
      let result = try await Program.run(
        ["pull", "digits", "--offline", "--cache", workspace.path + "/cache", "--home", "\(home)/consumer"] + arguments)
      #expect(result.code == 3, "\(result)")
      #expect(result.complaints.count == 1 && result.error.contains("digits@latest"))
    }
    #expect(!workspace.exists("out") && !workspace.exists("cache"))
  }

  @Test(
    "Unencrypted HTTP goes to this machine only, unless it is asked for",
    arguments: [
      ("http://models.example:8080", [], 2), ("https://", [], 2), ("http://127.0.0.1:1", [], 6),
      ("http://127.0.0.1:1", ["--insecure-http"], 6),
    ] as [(String, [String], Int32)])
  func encryption(address: String, options: [String], code: Int32) async throws {
    let workspace = try Workspace()
    let home = try await workspace.makeFederation()
    let result = try await Program.run(
      ["pull", "digits", "--cache", workspace.path + "/cache", "--home", "\(home)/consumer", "--from", address]
        + options)
    #expect(result.code == code, "\(result)")
    #expect(result.complaints.count == 1 && result.error.contains(address))
  }

  @Test("A key that is no line of printable characters is refused", arguments: ["", "a b\n", "a\r\n", "a\nb\n"])
  func badKey(text: String) async throws {
    let workspace = try Workspace()
    let home = try await workspace.makeFederation()
    let key = try workspace.file("key", text)
    let result = try await Program.run(
      "pull", "digits", "--home", "\(home)/consumer", "--from", "https://127.0.0.1:1", "--api-key-file", key)
    #expect(result.code == 2, "\(result)")
    #expect(result.error.contains(key) && !result.error.contains("a b"))
  }

  @Test(
    "The line of a download says how much is there, how fast it comes and how long the rest may take",
    arguments: [
      (0, nil, "", 80, "digits@3  0 B of 16.0 MiB, 0 %"),
      (4 << 20, 2_097_152, "", 80, "digits@3  4.0 MiB of 16.0 MiB, 25 %, 2.0 MiB/s, about 6 s left"),
      (16 << 20, 2_097_152, "", 80, "digits@3  16.0 MiB of 16.0 MiB, 100 %, 2.0 MiB/s"),
      (
        1 << 20, nil, "waiting for another process", 80,
        "digits@3  1.0 MiB of 16.0 MiB, 6 %, waiting for another process"
      ),
      (4 << 20, 2_097_152, "", 31, "digits@3  4.0 MiB of 16.0 MiB,"),
    ] as [(UInt64, Double?, String, Int, String)])
  func meter(byteCount: UInt64, rate: Double?, detail: String, columns: Int, expected: String) {
    let text = TransferMeter.text(
      "digits@3", byteCount, of: 16 << 20, bytesPerSecond: rate, detail, columns: columns)
    #expect(text == expected)
  }
}

/// `murmur pull --follow --exec`.
@Suite struct VersionHookTests {
  private static func model(in directory: String) -> PulledModel {
    let digest = Digest(unchecked: [UInt8](repeating: 1, count: 32))
    let manifest = Manifest(
      federation: "f", model: "digits", version: 7, parent: digest, run: "run-1", round: 7, attempt: 0,
      aggregation: .secure, configurationDigest: digest, cohortSize: 8, parentMetrics: nil, architecture: "mlp 3-2",
      dataScale: 16, modelDigest: digest, tensors: [], file: .init(digest: digest, byteCount: 1), createdAt: 1,
      signer: "coordinator")
    return PulledModel(directory: directory, manifest: manifest, digest: digest)
  }

  @Test("The command knows which version it is for and where it is, and no key")
  func environment() async throws {
    let workspace = try Workspace()
    setenv("MURMUR_API_KEY", "secret", 1)
    defer { unsetenv("MURMUR_API_KEY") }
    let out = workspace.path + "/out"
    let hook = VersionHook(
      command: "echo \"$MURMUR_MODEL $MURMUR_VERSION $MURMUR_PATH $MURMUR_API_KEY\" > '\(out)'", deadline: .seconds(20))
    #expect(await hook.run(for: Self.model(in: workspace.path)) == nil)
    let path = try #require(realpath(workspace.path, nil))
    defer { free(path) }
    #expect(try String(contentsOfFile: out, encoding: .utf8) == "digits 7 \(String(cString: path)) \n")
  }

  @Test(
    "A command that fails is reported with how it ended",
    arguments: [("exit 3", "ended with exit code 3"), ("kill -9 $$", "was ended by signal 9")])
  func failure(command: String, ending: String) async throws {
    let hook = VersionHook(command: command, deadline: .seconds(20))
    #expect(await hook.run(for: Self.model(in: "/tmp")) == ending)
  }

  @Test(
    "A command that takes too long is ended with all that it started",
    arguments: ["sleep 600", "trap '' TERM; sleep 600 & wait"])
  func tooLong(command: String) async throws {
    let hook = VersionHook(command: command, deadline: .milliseconds(200))
    // Otherwise it would take ten minutes.
    let trouble = await hook.run(for: Self.model(in: "/tmp"))
    #expect(trouble?.hasPrefix("did not end within") == true)
  }

  @Test("Whoever is interrupted ends the command that runs")
  func interrupted() async throws {
    let hook = VersionHook(command: "sleep 600", deadline: .seconds(600))
    let task = Task { await hook.run(for: Self.model(in: "/tmp")) }
    try await Task.sleep(for: .milliseconds(100))
    task.cancel()
    #expect(await task.value == "was interrupted")
  }
}
