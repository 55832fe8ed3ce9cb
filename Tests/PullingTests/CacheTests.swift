import Federation
import Glibc
import ModelRegistry
import Testing

@testable import Pulling

@Suite("The cache of pulled versions", .timeLimit(.minutes(2)))
struct CacheTests {
  /// Of a version without a model signature.
  private static let files = ["README.md", "manifest.json", "manifest.sig", "model.safetensors"]

  @Test("A version that is in the cache is not fetched again")
  func cached() async throws {
    let fixture = try Fixture()
    let source = ScriptedSource("tcp://a", try fixture.version(3))
    let first = try await fixture.puller(source).pull(.typed("digits"), into: fixture.cache)
    let second = try await fixture.puller(source).pull(.typed("digits@3"), into: fixture.cache)
    #expect(first == second)
    #expect(first.directory == fixture.path("cache/snapshots/f/digits/3"))
    #expect(source.offsets == [0])
    #expect(try DurableFile.names(in: first.directory) == Self.files)
    #expect(try DurableFile.names(in: fixture.path("cache/.locks")).isEmpty)
  }

  @Test("Files of a snapshot are names of blobs, which are called by their digest")
  func layout() async throws {
    let fixture = try Fixture()
    let version = try fixture.version(3)
    let model = try await fixture.puller(ScriptedSource("tcp://a", version)).pull(.typed("digits"), into: fixture.cache)
    let blobs = try DurableFile.names(in: fixture.path("cache/blobs"))
    #expect(blobs.count == 4)
    #expect(blobs.contains("\(version.digest)") && blobs.contains("\(version.manifest.file.digest)"))
    func node(_ path: String) -> ino_t {
      var status = stat()
      return stat(path, &status) == 0 ? status.st_ino : 0
    }
    #expect(node(model.modelPath) == node(fixture.cache.blobPath(version.manifest.file.digest)))
    #expect(node(model.manifestPath) == node(fixture.cache.blobPath(version.digest)))
  }

  @Test("A byte that changed in the cache is found, and the file is fetched again")
  func rotten() async throws {
    let fixture = try Fixture()
    let version = try fixture.version(3)
    let source = ScriptedSource("tcp://a", version)
    let model = try await fixture.puller(source).pull(.typed("digits"), into: fixture.cache)
    var bytes = version.file
    bytes[bytes.count / 2] ^= 1
    try #require(chmod(model.modelPath, 0o644) == 0)
    let descriptor = open(model.modelPath, O_WRONLY)
    try #require(pwrite(descriptor, bytes, bytes.count, 0) == bytes.count)
    close(descriptor)
    #expect(await Self.kind { () throws(PullError) in _ = try fixture.find("digits@3") } == .verificationFailed)
    let again = try await fixture.puller(source).pull(.typed("digits"), into: fixture.cache)
    #expect(source.offsets == [0, 0])
    #expect(try PulledModel.verify(directory: again.directory, membership: fixture.membership) == model)
  }

  @Test("Two pulls of one version share one download")
  func shared() async throws {
    let fixture = try Fixture()
    let version = try fixture.version(3)
    let (begun, begin) = AsyncStream.makeStream(of: Void.self)
    let (gate, open) = AsyncStream.makeStream(of: Void.self)
    let waits = Locked(false)
    var conduct = ScriptedSource.Conduct()
    conduct.pause = {
      begin.yield()
      for await _ in gate { break }
    }
    let slow = ScriptedSource("tcp://a", version, conduct: conduct)
    let never = ScriptedSource("tcp://b", version)
    async let first = fixture.puller(slow).pull(.typed("digits"), into: fixture.cache)
    for await _ in begun { break }
    async let second = fixture.puller(never).pull(.typed("digits"), into: fixture.cache) { progress in
      guard progress.isWaiting, !waits.withLock({ $0 }) else { return }
      waits.withLock { $0 = true }
      open.finish()
    }
    let (one, other) = try await (first, second)
    #expect(one == other)
    #expect(waits.withLock { $0 })
    #expect(slow.offsets == [0])
    #expect(never.offsets.isEmpty)
  }

  @Test("Whoever waits for a process that does not get on says so and ends")
  func stuck() async throws {
    let fixture = try Fixture()
    let version = try fixture.version(3)
    try fixture.cache.makeFolders()
    let path = fixture.cache.lockPath(version.manifest.file.digest)
    let lock = try await FileLock.acquire(path, size: { 0 }) { _ in }
    let puller = fixture.puller(ScriptedSource("tcp://a", version), lockPatience: .milliseconds(250))
    let error = await failure { () throws(PullError) in _ = try await puller.pull(.typed("digits"), into: fixture.cache)
    }
    #expect(error?.kind == .failed)
    #expect(error?.message.contains(path) == true)
    withExtendedLifetime(lock) {}
  }

  @Test("A version of another federation of the same name is not taken for this one's")
  func namesake() async throws {
    let (fixture, other) = (try Fixture(), try Fixture(authority: 7))
    let theirs = try await other.puller(ScriptedSource("tcp://a", try other.version(3, variant: 1)))
      .pull(.typed("digits"), into: fixture.cache)
    #expect(await Self.kind { () throws(PullError) in _ = try fixture.find("digits@3") } == .verificationFailed)
    let version = try fixture.version(3)
    let ours = try await fixture.puller(ScriptedSource("tcp://b", version)).pull(.typed("digits"), into: fixture.cache)
    #expect(ours.directory == theirs.directory)
    #expect(try fixture.find("digits@3").digest == version.digest)
    #expect(try DurableFile.names(in: DurableFile.parent(of: ours.directory)) == ["3"])
  }

  // MARK: Offline

  @Test("Without a network the cache alone answers, with the versions that were pulled and the aliases as they were")
  func offline() async throws {
    let fixture = try Fixture()
    let source = ScriptedSource("tcp://a", try fixture.version(3))
    _ = try await fixture.puller(source).pull(.typed("digits"), into: fixture.cache)
    source.publish(try fixture.version(4))
    _ = try await fixture.puller(source).pull(.typed("digits@4"), into: fixture.cache)
    #expect(try fixture.find("digits").manifest.version == 3)
    #expect(try fixture.find("digits@4").manifest.version == 4)
    #expect(try fixture.find("digits@sha256:\(fixture.version(3).digest)").manifest.version == 3)
    let copy = try await fixture.cache.copy(
      fixture.find("digits@4"), into: fixture.path("out"), membership: fixture.membership)
    #expect(try PulledModel.verify(directory: fixture.path("out"), membership: fixture.membership) == copy)
  }

  @Test(
    "What is not in the cache is not found without a network",
    arguments: [
      "digits", "digits@9", "digits@champion", "letters@3", "digits@sha256:\(String(repeating: "0", count: 64))",
    ])
  func offlineMissing(reference: String) async throws {
    let fixture = try Fixture()
    _ = try await fixture.puller(ScriptedSource("tcp://a", fixture.version(3))).pull(
      .typed("digits@3"), into: fixture.cache)
    #expect(await Self.kind { () throws(PullError) in _ = try fixture.find(reference) } == .notFound)
  }

  @Test(
    "A file of a snapshot that changed is refused without a network",
    arguments: ["manifest.json", "manifest.sig", "model.safetensors"])
  func offlineChanged(name: String) async throws {
    let fixture = try Fixture()
    let model = try await fixture.puller(ScriptedSource("tcp://a", fixture.version(3))).pull(
      .typed("digits"), into: fixture.cache)
    var bytes = try DurableFile.read("\(model.directory)/\(name)", byteCountMax: 1 << 20)
    bytes[bytes.count / 2] ^= 1
    try DurableFile.write(bytes, to: "\(model.directory)/\(name)")
    #expect(await Self.kind { () throws(PullError) in _ = try fixture.find("digits") } == .verificationFailed)
  }

  // MARK: Folders

  @Test(
    "A new folder appears with the whole version in it; in an old one the weights are replaced last",
    arguments: [true, false])
  func folders(isCached: Bool) async throws {
    let fixture = try Fixture()
    let source = ScriptedSource("tcp://a", try fixture.version(3))
    let (puller, out) = (fixture.puller(source), fixture.path("models/digits"))
    func pull() async throws(PullError) -> PulledModel {
      isCached
        ? try await puller.pull(.typed("digits"), into: out, through: fixture.cache)
        : try await puller.pull(.typed("digits"), into: out)
    }
    let first = try await pull()
    #expect(try PulledModel.verify(directory: out, membership: fixture.membership) == first)
    source.publish(try fixture.version(4))
    try DurableFile.write([1], to: "\(out)/mine.txt")
    let second = try await pull()
    #expect(try PulledModel.verify(directory: out, membership: fixture.membership) == second)
    #expect(second.manifest.version == 4)
    #expect(
      try DurableFile.names(in: out).filter { $0 != "mine.txt" } == Self.files && DurableFile.exists("\(out)/mine.txt"))
    #expect(try DurableFile.names(in: fixture.path("models")) == ["digits"])
    #expect(DurableFile.exists(fixture.cache.root) == isCached)
  }

  @Test("A model signature for other tools comes with the version, and a folder loses it with that version")
  func attachments() async throws {
    let fixture = try Fixture()
    let source = ScriptedSource("tcp://a", try fixture.version(3, isSigned: true))
    let out = fixture.path("out")
    let puller = fixture.puller(source)
    let model = try await puller.pull(.typed("digits"), into: out, through: fixture.cache)
    let names = ["model.sig", "signing-key.endorsement", "signing-key.pem"]
    for folder in [out, try fixture.find("digits").directory] {
      #expect(try DurableFile.names(in: folder) == (Self.files + names).sorted())
    }
    let copy = try await fixture.cache.copy(
      fixture.find("digits"), into: fixture.path("copy"), membership: fixture.membership)
    #expect(try DurableFile.names(in: copy.directory) == (Self.files + names).sorted())
    try DurableFile.write([1], to: "\(out)/model.sig")
    #expect(
      await Self.kind { () throws(PullError) in
        _ = try PulledModel.verify(directory: out, membership: fixture.membership)
      } == .verificationFailed)
    source.publish(try fixture.version(4))
    #expect(try await puller.pull(.typed("digits"), into: out).directory == model.directory)
    #expect(try DurableFile.names(in: out) == Self.files)
  }

  @Test("A model signature that is not for this version, or by a key that nobody endorsed, is refused")
  func forgedAttachments() async throws {
    let (fixture, stranger) = (try Fixture(), try Fixture(authority: 7))
    let version = try fixture.version(3)
    for attachments in [
      try fixture.version(4, isSigned: true).attachments, try stranger.version(3, isSigned: true).attachments,
    ] {
      let forged = PublishedVersion(
        signed: version.signed, manifest: version.manifest, file: version.file, attachments: attachments)
      let puller = fixture.puller(ScriptedSource("tcp://a", forged))
      #expect(
        await Self.kind { () throws(PullError) in _ = try await puller.pull(.typed("digits"), into: fixture.path("out"))
        }
          == .verificationFailed)
      #expect(!DurableFile.exists(fixture.path("out")))
    }
  }

  @Test("A folder's copy is the user's own: what is written to it does not reach the cache")
  func copies() async throws {
    let fixture = try Fixture()
    let source = ScriptedSource("tcp://a", try fixture.version(3))
    let model = try await fixture.puller(source).pull(
      .typed("digits"), into: fixture.path("out"), through: fixture.cache)
    let descriptor = open(model.modelPath, O_WRONLY | O_TRUNC)
    try #require(descriptor >= 0)
    close(descriptor)
    #expect(try fixture.find("digits").manifest.version == 3)
  }

  @Test("A download into a folder that stopped is taken up beside it, and the folder is not there before the end")
  func resumesFolder() async throws {
    let fixture = try Fixture()
    let version = try fixture.version(3)
    let source = ScriptedSource(
      "tcp://a", version, conduct: .init(endsAfter: 90_000, failure: PullError(.interrupted, "")))
    let out = fixture.path("out")
    #expect(
      await Self.kind { () throws(PullError) in _ = try await fixture.puller(source).pull(.typed("digits"), into: out) }
        == .interrupted)
    #expect(try DurableFile.names(in: fixture.root) == [".out.partial-\(version.manifest.file.digest)"])
    source.conduct(.init())
    _ = try await fixture.puller(source).pull(.typed("digits"), into: out)
    #expect(source.offsets == [0, 90_000])
    #expect(try DurableFile.names(in: fixture.root) == ["out"])
  }

  @Test(
    "The cache is where the environment says",
    arguments: [
      (["XDG_CACHE_HOME": "/x", "HOME": "/h"], "/x/murmur"), (["HOME": "/h"], "/h/.cache/murmur"),
      (["XDG_CACHE_HOME": "relative", "HOME": "/h"], "/h/.cache/murmur"), (["HOME": ""], nil), ([:], nil),
    ] as [([String: String], String?)])
  func place(environment: [String: String], root: String?) {
    #expect(PullCache.usual { environment[$0] }?.root == root)
  }

  private static func kind(_ action: () async throws(PullError) -> Void) async -> PullError.Kind? {
    await failure(action)?.kind
  }
}

extension Fixture {
  func find(_ reference: String) throws(PullError) -> PulledModel {
    try cache.find(.typed(reference), membership: membership)
  }
}
