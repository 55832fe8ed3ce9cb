import ClusterConfiguration
import Federation
import Logging
import ModelRegistry
import Pulling
import Serving
import Testing
import Wire
import ZeroMQ

@testable import ClusterRuntime

@Suite("A serving node between a coordinator and consumers", .timeLimit(.minutes(2)))
struct ServingTests {
  @Test("What the coordinator publishes is served, and pulled byte for byte with its signature")
  func endToEnd() async throws {
    let federation = try TestFederation()
    try federation.store(0)
    let publisher = try await TestPublisher(federation, epoch: 1)
    let node = try await TestNode(federation, following: publisher.endpoints)
    await node.offered(0)
    await publisher.publish(try federation.store(1))
    await node.offered(1)

    let client = try PullClient(home: federation.home("consumer"), from: [node.endpoint])
    let rows = try await client.models()
    #expect(rows.map(\.version) == [1, 0])
    #expect(rows.map(\.aliases) == [[.latest], []])
    let folder = federation.root + "/pulled"
    let model = try await client.pull(reference: "digits@latest", into: folder)
    let expected = try federation.version(1).artifact
    #expect(model.manifest.version == 1)
    #expect(model.signer == "coordinator")
    #expect(try DurableFile.read(model.modelPath, byteCountMax: 1 << 20) == expected.file)
    #expect(try DurableFile.names(in: folder) == ["README.md", "manifest.json", "manifest.sig", "model.safetensors"])
    #expect(try PulledModel.verify(directory: folder, home: federation.home("worker-1")) == model)
    #expect(try await client.pull(reference: "digits@0", into: folder).manifest.version == 0)
    #expect(try PulledModel.verify(directory: folder, home: federation.home("consumer")).manifest.version == 0)
  }

  @Test("A node that starts without a coordinator serves what it verified before, and catches up when there is one")
  func startsAlone() async throws {
    let federation = try TestFederation()
    try federation.store(0)
    var publisher: TestPublisher? = try await TestPublisher(federation, epoch: 1)
    let endpoints = try #require(publisher?.endpoints)
    var first: TestNode? = try await TestNode(federation, following: endpoints)
    let address = try #require(first?.endpoint)
    await first?.offered(0)
    first = nil
    publisher = nil
    // Nothing of the first node is left, its socket included.
    #expect(throws: Never.self) { try Socket(.pull(.binding), in: Context()).bind(Endpoint(rawValue: address)) }
    let node = try await TestNode(federation, following: endpoints)
    let client = try PullClient(home: federation.home("consumer"), from: [node.endpoint])
    #expect(try await client.models().map(\.version) == [0])
    try federation.store(1)
    publisher = try await TestPublisher(federation, epoch: 2, at: endpoints)
    await node.offered(1)
    #expect(try await client.manifest(of: "digits@latest").manifest.version == 1)
    withExtendedLifetime(publisher) {}
  }

  @Test("After a restart of the coordinator, with a new epoch, the node joins again and takes what it missed")
  func coordinatorRestarts() async throws {
    let federation = try TestFederation()
    try federation.store(0)
    var publisher: TestPublisher? = try await TestPublisher(federation, epoch: 7)
    let endpoints = try #require(publisher?.endpoints)
    let node = try await TestNode(federation, following: endpoints)
    await node.offered(0)
    publisher = nil
    await node.did { $0 == .report(.publisherLost) }
    try federation.store(1)
    publisher = try await TestPublisher(federation, epoch: 8, at: endpoints)
    await node.offered(1)
    #expect(node.hasDone { $0 == .report(.joining(.newEpoch(8))) })
    withExtendedLifetime(publisher) {}
  }

  @Test("A version of which one byte arrives wrong is not offered; the old one is served on")
  func corruptedBlob() async throws {
    let federation = try TestFederation()
    try federation.store(0)
    let coordinator = try await ScriptedCoordinator(federation)
    await coordinator.show([try federation.version(0).signed])
    let node = try await TestNode(federation, following: coordinator.endpoints)
    await node.offered(0)
    let (signed, artifact) = try federation.version(1)
    try federation.models.publish(signed, artifact: artifact)
    let victim = try #require(artifact.manifestTensors.last).digest
    await coordinator.corrupt(victim)
    await coordinator.show([signed], sequence: 1)
    await coordinator.send(
      .versionPublished(model: "digits", version: 1, manifestDigest: signed.digest), sequence: 1)
    await node.did { if case .report(.fetchFailed(VersionName("digits", 1), _)) = $0 { true } else { false } }
    #expect(!node.hasDone { $0 == .offer(VersionName("digits", 1), .latest) })
    let client = try PullClient(home: federation.home("consumer"), from: [node.endpoint])
    #expect(try await client.manifest(of: "digits@latest").manifest.version == 0)
    await #expect { try await client.manifest(of: "digits@1") } throws: { ($0 as? RuntimeError)?.category == .notFound }
    // The bytes come right at last: the version is served.
    await coordinator.corrupt(nil)
    await node.offered(1)
  }

  @Test("A version that no coordinator signed as it is is not offered; the old one is served on")
  func wrongSignature() async throws {
    let federation = try TestFederation()
    try federation.store(0)
    let coordinator = try await ScriptedCoordinator(federation)
    await coordinator.show([try federation.version(0).signed])
    let node = try await TestNode(federation, following: coordinator.endpoints)
    await node.offered(0)
    let (signed, artifact) = try federation.version(1)
    try federation.models.publish(signed, artifact: artifact)
    var signature = signed.signature.bytes
    signature[5] ^= 1
    let altered = SignedManifest(
      bytes: signed.bytes, signature: Signature(unchecked: signature), signer: signed.signer)
    await coordinator.show([altered], sequence: 1)
    await coordinator.send(
      .versionPublished(model: "digits", version: 1, manifestDigest: signed.digest), sequence: 1)
    await node.did { if case .report(.refused(VersionName("digits", 1), _)) = $0 { true } else { false } }
    let client = try PullClient(home: federation.home("consumer"), from: [node.endpoint])
    #expect(try await client.models().map(\.version) == [0])
  }

  @Test("A retired version is withdrawn from consumers with the reason, also by the next process, alone")
  func retired() async throws {
    let federation = try TestFederation()
    try federation.store(0)
    var publisher: TestPublisher? = try await TestPublisher(federation, epoch: 1)
    let endpoints = try #require(publisher?.endpoints)
    var first: TestNode? = try await TestNode(federation, following: endpoints)
    await first?.offered(0)
    let stored = try federation.store(1)
    await publisher?.publish(stored)
    await first?.offered(1)
    let moves = try federation.models.retire(1, of: "digits", reason: "poisoned")
    let gone = try #require(try federation.models.retired(of: "digits").first)
    for move in moves { await publisher?.publish(StatePublisher.News(move)) }
    await publisher?.publish(.retired(gone))
    await first?.did { $0 == .retire(gone) }
    await first?.did { $0 == .unload(VersionName("digits", 1)) }
    for attempt in 0...1 {
      if attempt == 1 {
        first = nil
        publisher = nil
        first = try await TestNode(federation, following: endpoints)
      }
      let client = try PullClient(home: federation.home("consumer"), from: [try #require(first?.endpoint)])
      #expect(try await client.manifest(of: "digits@latest").manifest.version == 0)
      await #expect { try await client.manifest(of: "digits@1") } throws: { error in
        guard let error = error as? RuntimeError else { return false }
        return error.category == .notFound && error.message.contains("retired: poisoned")
      }
      #expect(try await client.models().map(\.version) == [0])
    }
  }

  @Test("A node that joins late learns of retired versions by the snapshot")
  func retiredBefore() async throws {
    let federation = try TestFederation()
    for version in 0...1 as ClosedRange<UInt64> { try federation.store(ModelVersion(version)) }
    _ = try federation.models.retire(1, of: "digits", reason: "poisoned")
    let publisher = try await TestPublisher(federation, epoch: 1)
    let node = try await TestNode(federation, following: publisher.endpoints)
    await node.offered(0)
    let gone = try #require(try federation.models.retired(of: "digits").first)
    #expect(node.hasDone { $0 == .retire(gone) })
    #expect(try DirectoryModelStore(reading: federation.home("serving") + "/models").retired(of: "digits") == [gone])
  }

  @Test("A model signature travels with its version and is stored; a bad one is refused, and the old version serves on")
  func modelSignature() async throws {
    let federation = try TestFederation()
    let signer = try federation.signer()
    let first = try federation.version(0)
    let attachments = try signer.attachments(for: first.signed)
    try federation.models.publish(first.signed, artifact: first.artifact, attachments: attachments)
    let coordinator = try await ScriptedCoordinator(federation)
    await coordinator.show([first.signed], attachments: attachments)
    let node = try await TestNode(federation, following: coordinator.endpoints)
    await node.offered(0)
    let store = try DirectoryModelStore(reading: federation.home("serving") + "/models")
    #expect(try store.find(ModelReference(parsing: "digits@0")).attachments == attachments)
    let next = try federation.version(1)
    try federation.models.publish(next.signed, artifact: next.artifact)
    // Another version's signature.
    await coordinator.show([next.signed], sequence: 1, attachments: attachments)
    await coordinator.send(
      .versionPublished(model: "digits", version: 1, manifestDigest: next.signed.digest), sequence: 1)
    await node.did { if case .report(.quarantined(VersionName("digits", 1), _)) = $0 { true } else { false } }
    let client = try PullClient(home: federation.home("consumer"), from: [node.endpoint])
    #expect(try await client.models().map(\.version) == [0])
  }

  @Test("A record that was lost leads to a snapshot")
  func gap() async throws {
    let federation = try TestFederation()
    try federation.store(0)
    let coordinator = try await ScriptedCoordinator(federation)
    await coordinator.show([try federation.version(0).signed])
    let node = try await TestNode(federation, following: coordinator.endpoints)
    await node.offered(0)
    let (signed, artifact) = try federation.version(1)
    try federation.models.publish(signed, artifact: artifact)
    await coordinator.show([signed], sequence: 2)
    // Record 1 never comes; the heartbeat tells that there were two.
    await coordinator.send(.heartbeat, sequence: 2)
    await node.did { $0 == .report(.joining(.gap(expected: 1, found: 2))) }
    await node.did { $0 == .report(.joined(epoch: 1, sequence: 2)) }
    await node.offered(1)
  }

  @Test("A node that the coordinator does not know ends with the reason; so does one whose port is in use")
  func cannotStart() async throws {
    let federation = try TestFederation()
    let links = try TestLinks(federation)
    links.authenticator.replace(with: [:])
    var endpoint: Endpoint = "tcp://127.0.0.1:*"
    let socket = try links.bind(.snapshot(.binding), .serve, at: &endpoint)
    let file = federation.root + "/endpoints.yaml"
    try EndpointsFile(state: endpoint.rawValue, snapshot: endpoint.rawValue, pull: endpoint.rawValue).write(path: file)
    await #expect {
      try await ServingProcess.run(
        .init(home: federation.home("serving"), endpointsFile: file, bindLoopbackAnyPort: true),
        logger: TestFederation.logger)
    } throws: {
      ($0 as? RuntimeError)?.category == .notAuthorised
    }
    await #expect {
      try await ServingProcess.run(
        .init(home: federation.home("serving"), endpointsFile: file), logger: TestFederation.logger)
    } throws: {
      ($0 as? RuntimeError)
        == RuntimeError(.network, "\(endpoint): found the address in use, expected a free one")
    }
    _ = socket.kind
  }

  @Test("A serving process writes where it listens, and ends when its parent does")
  func endsWithItsParent() async throws {
    let federation = try TestFederation()
    let publisher = try await TestPublisher(federation, epoch: 1)
    let file = federation.root + "/endpoints.yaml"
    try publisher.endpoints.write(path: file)
    let pipe = try TestPipe()
    let listening = Recorder<String>()
    let logger = Logger(label: "test") { _ in MessageLog(messages: listening) }
    let options = ServingProcess.Options(
      home: federation.home("serving"), endpointsFile: file, bindLoopbackAnyPort: true, parentPipe: pipe.reading)
    let run = Task { try await ServingProcess.run(options, logger: logger) }
    await listening.wait { $0 == "serving node listens" }
    let endpoints = try EndpointsFile.load(path: EndpointsFile.path(home: federation.home("serving")))
    let client = try PullClient(home: federation.home("consumer"), from: [#require(endpoints.pull)])
    #expect(try await client.models().isEmpty)
    pipe.closeWritingEnd()
    #expect(try await run.value == .ok)
  }
}
