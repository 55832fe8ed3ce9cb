import Federation
import Glibc
import ModelRegistry
import Testing

@testable import Pulling

@Suite("Downloads that stop and go on", .timeLimit(.minutes(2)))
struct ResumeTests {
  @Test(
    "Whatever the byte at which a download ends, the next one goes on there and ends with the right file",
    arguments: [1, 2, 3])
  func interruptedAnywhere(seed: UInt64) async throws {
    let fixture = try Fixture()
    let version = try fixture.version(3)
    var choices = SeededGenerator(seed: seed)
    let final = fixture.cache.blobPath(version.manifest.file.digest)
    let partial = fixture.cache.partialPath(version.manifest.file.digest)
    for _ in 0..<34 {
      let end = Int.random(in: 0..<version.file.count, using: &choices)
      var conduct = ScriptedSource.Conduct()
      conduct.endsAfter = max(1, end)
      conduct.failure = PullError(.interrupted, "interrupted")
      let source = ScriptedSource("tcp://a", version, conduct: conduct)
      let puller = fixture.puller(source)
      #expect(
        await failure { () throws(PullError) in _ = try await puller.pull(.typed("digits@3"), into: fixture.cache) }?
          .kind == .interrupted)
      #expect(!DurableFile.exists(final))
      #expect(!DurableFile.exists(fixture.cache.snapshotPath("f", "digits", 3)))
      // A power failure may also leave less than was written.
      let left = UInt64.random(in: 1...UInt64(max(1, end)), using: &choices)
      try #require(truncate(partial, off_t(left)) == 0)
      source.conduct(.init())
      let model = try await puller.pull(.typed("digits@3"), into: fixture.cache)
      #expect(source.offsets == [0, left])
      #expect(try PulledModel.verify(directory: model.directory, membership: fixture.membership) == model)
      try DurableFile.remove(fixture.cache.root)
    }
  }

  @Test(
    "A process that is killed while it writes leaves nothing under a final name, and its bytes are used",
    arguments: [4, 5])
  func killedAnywhere(seed: UInt64) async throws {
    let fixture = try Fixture()
    let version = try fixture.version(3)
    var choices = SeededGenerator(seed: seed)
    let digest = version.manifest.file.digest
    for _ in 0..<50 {
      // What kill -9 leaves: a part of the file, the lock's file, folders on their way.
      let end = Int.random(in: 1...version.file.count, using: &choices)
      try fixture.cache.makeFolders()
      try DurableFile.write(Array(version.file[..<end]), to: fixture.cache.partialPath(digest))
      try DurableFile.write([], to: fixture.cache.lockPath(digest))
      try DurableFile.createDirectory("\(DurableFile.parent(of: fixture.cache.snapshotPath("f", "digits", 3)))/.3.new")
      #expect(
        await failure { () throws(PullError) in
          _ = try fixture.cache.find(.typed("digits@3"), membership: fixture.membership)
        }?.kind == .notFound)
      let source = ScriptedSource("tcp://a", version)
      let model = try await fixture.puller(source).pull(.typed("digits@3"), into: fixture.cache)
      #expect(source.byteCount == version.file.count - end)
      #expect(try PulledModel.verify(directory: model.directory, membership: fixture.membership) == model)
      try DurableFile.remove(fixture.cache.root)
    }
  }

  @Test("Bytes that an earlier download left are not trusted: if one is wrong, all are fetched again")
  func corruptPartial() async throws {
    let fixture = try Fixture()
    let version = try fixture.version(3)
    var left = Array(version.file[..<100_000])
    left[99] ^= 1
    try fixture.cache.makeFolders()
    try DurableFile.write(left, to: fixture.cache.partialPath(version.manifest.file.digest))
    let source = ScriptedSource("tcp://a", version)
    let model = try await fixture.puller(source).pull(.typed("digits"), into: fixture.cache)
    #expect(source.offsets == [100_000, 0])
    #expect(try DurableFile.read(model.modelPath, byteCountMax: version.file.count) == version.file)
  }

  @Test("What is longer than the file is no part of it")
  func longPartial() async throws {
    let fixture = try Fixture()
    let version = try fixture.version(3)
    try fixture.cache.makeFolders()
    try DurableFile.write(version.file + [1], to: fixture.cache.partialPath(version.manifest.file.digest))
    let source = ScriptedSource("tcp://a", version)
    _ = try await fixture.puller(source).pull(.typed("digits"), into: fixture.cache)
    #expect(source.offsets == [0])
  }

  @Test("Where one source fails in the middle, the next goes on from that byte")
  func failover() async throws {
    let fixture = try Fixture()
    let version = try fixture.version(3)
    let first = ScriptedSource("tcp://a", version, conduct: .init(endsAfter: 70_001))
    let second = ScriptedSource("tcp://b", version)
    let model = try await fixture.puller(first, second).pull(.typed("digits"), into: fixture.cache)
    #expect(first.offsets == [0])
    #expect(second.offsets == [70_001])
    #expect(try DurableFile.read(model.modelPath, byteCountMax: version.file.count) == version.file)
  }

  @Test("Sources that fail again and again are asked again as long as that brings bytes, and no longer")
  func stubborn() async throws {
    let fixture = try Fixture()
    let version = try fixture.version(3)
    let sources = ["tcp://a", "tcp://b"].map {
      ScriptedSource($0, version, conduct: .init(endsAfter: version.file.count / 5 - 1))
    }
    _ = try await fixture.puller(sources[0], sources[1]).pull(.typed("digits"), into: fixture.cache)
    #expect(sources.map(\.offsets.count) == [3, 3])
    let dry = try Fixture()
    let broken = ScriptedSource("tcp://c", version)
    var conduct = ScriptedSource.Conduct()
    conduct.pause = { broken.refuse(nil) }
    conduct.endsAfter = 1
    broken.conduct(conduct)
    let error = await failure { () throws(PullError) in
      _ = try await dry.puller(broken).pull(.typed("digits"), into: dry.cache)
    }
    #expect(error?.kind == .network)
    #expect(broken.offsets.count == FileFetch.passesMax)
  }

  @Test("A source that gives wrong bytes is not asked again, and the next one gives all of them")
  func liar() async throws {
    let fixture = try Fixture()
    let version = try fixture.version(3)
    let liar = ScriptedSource(
      "tcp://a", version, conduct: .init(change: { byte, place in place == 5 ? byte ^ 1 : byte }))
    let honest = ScriptedSource("tcp://b", version)
    _ = try await fixture.puller(liar, honest).pull(.typed("digits"), into: fixture.cache)
    #expect(liar.offsets == [0])
    #expect(honest.offsets == [0])
  }

  @Test("Where bytes of two sources do not fit together, the last gives all of them before anybody is blamed")
  func mixture() async throws {
    let fixture = try Fixture()
    let version = try fixture.version(3)
    let liar = ScriptedSource(
      "tcp://a", version, conduct: .init(endsAfter: 50_000, change: { byte, place in place == 5 ? byte ^ 1 : byte }))
    let honest = ScriptedSource("tcp://b", version)
    _ = try await fixture.puller(liar, honest).pull(.typed("digits"), into: fixture.cache)
    #expect(honest.offsets == [50_000, 0])
  }

  @Test("If all sources fail, the error names each with what was wrong, and nothing is left under a final name")
  func allFail() async throws {
    let fixture = try Fixture()
    let version = try fixture.version(3)
    let liar = ScriptedSource("tcp://a", version, conduct: .init(change: { byte, _ in byte ^ 1 }))
    let silent = ScriptedSource("tcp://b", version, conduct: .init(endsAfter: 16_384))
    let empty = ScriptedSource("tcp://c")
    let error = await failure { () throws(PullError) in
      _ = try await fixture.puller(liar, empty, silent).pull(.typed("digits"), into: fixture.path("out"))
    }
    #expect(error?.kind == .verificationFailed)
    for part in [
      "tcp://a: found bytes of another digest", "tcp://b: no byte for 5 seconds", "tcp://c: found no such file",
    ] {
      #expect(error?.message.contains(part) == true, "\(error?.message ?? "none") has no '\(part)'")
    }
    #expect(!DurableFile.exists(fixture.path("out")))
  }

  @Test(
    "The kind of a failure of several sources is the one that tells most",
    arguments: [
      ([.notFound, .network], .network), ([.network, .notAuthorised], .notAuthorised),
      ([.notAuthorised, .verificationFailed, .network], .verificationFailed), ([.notFound, .notFound], .notFound),
    ] as [([PullError.Kind], PullError.Kind)])
  func kinds(of kinds: [PullError.Kind], is expected: PullError.Kind) {
    var failures = SourceFailures()
    for (index, kind) in kinds.enumerated() { failures.note(PullError(kind, "wrong"), at: "tcp://\(index)") }
    #expect(failures.error.kind == expected)
  }
}
