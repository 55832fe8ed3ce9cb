import Federation
import Foundation
import ModelRegistry
import Testing
import Wire

@testable import ClusterRuntime

/// A small file system of its own in a folder, as long as the last reference lives: a real full or read-only disk. Root
/// alone can mount.
final class SmallDisk {
  let path: String

  static let isPossible =
    geteuid() == 0
    && {
      let path = NSTemporaryDirectory() + "murmur-mount-\(UUID().uuidString)"
      defer { try? FileManager.default.removeItem(atPath: path) }
      return (try? SmallDisk(path, size: "64k")) != nil
    }()

  init(_ path: String, size: String) throws {
    self.path = path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    try Self.run(["mount", "-t", "tmpfs", "-o", "size=\(size),mode=700", "tmpfs", path])
  }

  deinit { try? Self.run(["umount", "--lazy", path]) }

  func remount(_ options: String) throws { try Self.run(["mount", "-o", "remount,\(options)", path]) }

  /// Takes every byte that is left.
  func fill() throws {
    let descriptor = open(path + "/filler", O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
    try #require(descriptor >= 0)
    defer { close(descriptor) }
    let block = [UInt8](repeating: 0, count: 4096)
    while write(descriptor, block, block.count) > 0 {}
    #expect(errno == ENOSPC)
  }

  func free() throws { try FileManager.default.removeItem(atPath: path + "/filler") }

  private static func run(_ words: [String]) throws {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = words
    process.standardError = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0, "\(words)")
  }
}

extension HostileTests {
  /// Disks that are full, read-only or damaged: the runs that need them are set aside by name, the process and the other
  /// runs go on, and nothing is lost.
  @Suite struct DiskFaults {
    @Test(
      "A full disk of models pauses the runs; with room, they go on and lose no round",
      .enabled(if: SmallDisk.isPossible))
    func modelsAreFull() async throws {
      let federation = try ProcessFederation(workers: 4, rounds: 12)
      let disk = try SmallDisk(federation.path + "/coordinator/models", size: "192k")
      let coordinator = try await federation.startCoordinator()
      let client = try federation.operatorClient()
      _ = try federation.startWorkers(1...4)
      let paused = try #require(try await SharedFleet.isIn(.paused, "digits", client))
      #expect(paused.reason.contains("No space left on device"), "\(paused.reason)")
      #expect(paused.roundsCommitted > 0 && paused.roundsCommitted < 12)
      #expect(coordinator.isRunning)
      try disk.remount("size=64m")
      try await client.resume(run: "digits")
      #expect(await coordinator.completesRun())
      try federation.checkVersions()
      try federation.checkHistory()
    }

    @Test(
      "A full disk of the coordinator's own state pauses the run, across a crash too",
      .enabled(if: SmallDisk.isPossible))
    func stateIsFull() async throws {
      let federation = try ProcessFederation(workers: 4, rounds: 12)
      let disk = try SmallDisk(federation.path + "/coordinator/state", size: "8m")
      let first = try await federation.startCoordinator()
      let client = try federation.operatorClient()
      _ = try federation.startWorkers(1...4)
      #expect(await first.logs("round", "digits/1.0", "committed"))
      try disk.fill()
      let paused = try #require(try await SharedFleet.isIn(.paused, "digits", client))
      #expect(paused.reason.contains("full") || paused.reason.contains("No space left"), "\(paused.reason)")
      #expect(first.isRunning)
      first.end()
      try disk.free()
      // What the full disk did not take is not known any more: the run goes on from its last version.
      let second = try await federation.restartCoordinator()
      if try await client.runs().map(\.state) == [.paused] { try await client.resume(run: "digits") }
      #expect(await second.completesRun())
      try federation.checkVersions()
      try federation.checkHistory()
    }

    @Test(
      "A disk that becomes read-only pauses the run, and publishes nothing by half", .enabled(if: SmallDisk.isPossible))
    func modelsAreReadOnly() async throws {
      let federation = try ProcessFederation(workers: 4, rounds: 12)
      let disk = try SmallDisk(federation.path + "/coordinator/models", size: "64m")
      let coordinator = try await federation.startCoordinator()
      let client = try federation.operatorClient()
      _ = try federation.startWorkers(1...4)
      #expect(await coordinator.logs("round", "digits/1.0", "committed"))
      // Busy while a file is open for writing.
      #expect(await eventually { (try? disk.remount("ro")) != nil })
      let paused = try #require(try await SharedFleet.isIn(.paused, "digits", client))
      #expect(paused.reason.contains("Read-only file system"), "\(paused.reason)")
      // As long as it is, resuming says so again.
      try await client.resume(run: "digits")
      #expect(try await SharedFleet.isIn(.paused, "digits", client) != nil)
      try disk.remount("rw")
      try await client.resume(run: "digits")
      #expect(await coordinator.completesRun())
      try federation.checkVersions()
      try federation.checkHistory()
    }

    /// The blob of some tensor of a model's latest version.
    private func blob(of model: ModelName, in federation: ProcessFederation) throws -> String {
      let store = try DirectoryModelStore(root: federation.path + "/coordinator/models")
      let latest = try store.find(ModelReference(model: model, selector: .alias(.latest)))
      let tensor = try #require(latest.manifest.tensors.max { $0.byteCount < $1.byteCount })
      return "\(federation.path)/coordinator/models/blobs/\(tensor.digest)"
    }

    /// - Returns: the bytes as they were.
    private func damage(_ path: String) throws -> [UInt8] {
      let bytes = try DurableFile.read(path, byteCountMax: 1 << 20)
      var wrong = bytes
      wrong[bytes.count / 2] ^= 1
      try DurableFile.write(wrong, to: path)
      return bytes
    }

    @Test("A damaged blob is named with its path and not trained on; the other run is completed meanwhile")
    func blobIsDamaged() async throws {
      let federation = try ProcessFederation(workers: 4, rounds: 4)
      let first = try await federation.startCoordinator()
      let client = try federation.operatorClient()
      try #require(await first.logs("run started"))
      let path = try blob(of: "digits", in: federation)
      let bytes = try damage(path)
      // Of another shape: publishing the same blob again would repair it.
      _ = try await client.submit(runFile: ProcessFederation.runFile("letters", rounds: 4, architecture: "mlp 64-8-10"))
      // The workers ask for it: it is read, and found out.
      _ = try federation.startWorkers(1...4)
      let paused = try #require(try await SharedFleet.isIn(.paused, "digits", client))
      #expect(paused.reason.contains(path) && paused.reason.contains("corrupted"), "\(paused.reason)")
      #expect(await first.logs("run ended", "run=letters", "state=completed", within: .seconds(40)))
      #expect(first.committedRounds.allSatisfy { $0.run == "letters" })
      // Nor is it taken up by the next process.
      first.end()
      let second = try await federation.restartCoordinator()
      try await client.resume(run: "digits")
      let again = try #require(try await SharedFleet.isIn(.paused, "digits", client))
      #expect(again.reason.contains(path))
      try DurableFile.write(bytes, to: path)
      try await client.resume(run: "digits")
      #expect(await second.completesRun())
      try federation.checkVersions()
      try federation.checkHistory()
    }

    @Test("A publication that was interrupted before its alias moved is finished, and not made again")
    func publicationIsInterrupted() async throws {
      let federation = try ProcessFederation(workers: 4, rounds: 6)
      let first = try await federation.startCoordinator()
      let client = try federation.operatorClient()
      _ = try federation.startWorkers(1...4)
      #expect(await first.logs("round", "digits/2.0", "committed"))
      try await client.pause(run: "digits")
      let paused = try #require(try await SharedFleet.isIn(.paused, "digits", client))
      first.end()
      // As a crash between the version's rename and the alias's leaves it.
      try "\(paused.roundsCommitted - 1)\n".write(
        toFile: federation.path + "/coordinator/models/models/digits/aliases/latest", atomically: true, encoding: .utf8)
      let second = try await federation.restartCoordinator()
      try await client.resume(run: "digits")
      #expect(await second.completesRun())
      try federation.checkVersions()
      try federation.checkHistory()
    }
  }
}
