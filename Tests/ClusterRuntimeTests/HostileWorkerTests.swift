import ClusterConfiguration
import Federation
import Foundation
import Membership
import Testing
import Transfer
import Wire
import ZeroMQ

extension HostileTests {
  /// A sixth worker's key in the wrong hands, and five honest workers who must not notice.
  @Suite struct Workers {
    @Test("Malformed frames of every kind are refused by name while and after which every round is committed")
    func malformedFrames() async throws {
      let federation = try ProcessFederation(workers: 6, rounds: 4)
      let coordinator = try await federation.startCoordinator()
      let control = try HostilePeer.connect(to: .control, of: federation, as: "worker-6")
      let bulk = try HostilePeer.connect(to: .bulk, of: federation, as: "worker-6")
      let workers = try federation.startWorkers(1...5)
      // It is welcome, is offered every round, and answers none.
      #expect(try await control.send(ControlToCoordinator.hello(session: 6)))
      #expect(try await control.hears { $0.welcomes(6) })
      #expect(await coordinator.logs("attempt offered"))

      let malformed = try HostileFrames.malformedControl()
      for (name, frames) in malformed {
        #expect(try await control.send(frames))
        #expect(try await control.hears { $0.refuses(.malformed) }, "\(name) was not refused")
      }
      let versions = try HostileFrames.otherVersions()
      for frames in versions { #expect(try await control.send([frames])) }
      #expect(try await control.hears(versions.count) { $0.refuses(.unsupportedVersion) })
      #expect(
        coordinator.count("unreadable frame", "socket=control", "worker=worker-6") == malformed.count + versions.count)

      let malformedBulk = try HostileFrames.malformedBulk()
      for (name, frames) in malformedBulk { #expect(try await bulk.send(frames), "\(name) was not taken") }
      #expect(
        await eventually {
          coordinator.count("unreadable frame", "socket=bulk", "worker=worker-6") == malformedBulk.count
        })
      #expect(try await control.send(Array(repeating: Array(HostileFrames.marker.utf8), count: 17)))
      #expect(await coordinator.logs("message refused", "socket=control", "tooManyFrames(17)", "peer=worker-6"))
      #expect(try await bulk.send(Array(repeating: Array(HostileFrames.marker.utf8), count: 17)))
      #expect(await coordinator.logs("message refused", "socket=bulk", "tooManyFrames(17)", "peer=worker-6"))

      #expect(await coordinator.completesRun())
      #expect(coordinator.committedRounds.map(\.round) == Array(1...5))
      #expect(coordinator.committedRounds.allSatisfy { $0.reported == 5 })
      #expect(workers.allSatisfy { $0.isRunning })
      try federation.checkVersions()
      try federation.checkLogs(without: [HostileFrames.marker])
    }

    @Test("Floods of messages that mean nothing delay no honest worker and do not fill the coordinator's memory")
    func floods() async throws {
      let federation = try ProcessFederation(workers: 6, rounds: 6)
      let coordinator = try await federation.startCoordinator()
      let control = try HostilePeer.connect(to: .control, of: federation, as: "worker-6")
      let bulk = try HostilePeer.connect(to: .bulk, of: federation, as: "worker-6")
      // Without a hello nothing it says counts; it is told so, but not each time.
      for _ in 0..<1000 { #expect(try await control.send(ControlToCoordinator.heartbeat)) }
      #expect(try await control.hears { $0.refuses(.unknownSession) })
      #expect(try await control.send(ControlToCoordinator.hello(session: 6)))
      #expect(try await control.hears { $0.welcomes(6) })
      let workers = try federation.startWorkers(1...5)
      #expect(await coordinator.logs("attempt offered"))

      // Without a pause, for several rounds.
      let rounds = try HostileFrames.rounds.map { try ControlToCoordinator.round($0).encoded() }
      var poured = 0
      #expect(
        try await eventually(within: .seconds(40)) {
          poured += try await control.pour(rounds)
          _ = try await control.take()
          return coordinator.committedRounds.count >= 2
        })
      #expect(poured > 10_000)
      #expect(await coordinator.logs("messages dropped", "worker=worker-6"))
      let chunk = [UInt8](repeating: 0x49, count: 262_144)
      for (message, payload) in HostileFrames.bulk + HostileFrames.bulk {
        #expect(try await bulk.send(message, payload: payload))
      }
      for number in 0..<400 {
        let flood = UploadChunk(upload: HostileFrames.digest(4), number: UInt64(number))
        #expect(try await bulk.send(BulkToCoordinator.chunk(flood), payload: chunk))
        let request = BlobRequest(digest: HostileFrames.digest(UInt8(number & 0xFF)), offset: 0, chunks: 8)
        #expect(try await bulk.send(BulkToCoordinator.request(request)))
      }
      for session in 100..<1100 as Range<UInt64> {
        #expect(try await control.send(ControlToCoordinator.hello(session: session)))
      }
      // Some are left out, like any message that finds no room; then it may greet again.
      #expect(try await control.greets(session: 1100))
      // Each of these costs it the connection.
      for number in 0..<20 {
        #expect(try await control.send([HostileFrames.oversizeControl]))
        #expect(try await bulk.send([HostileFrames.oversizeBulk]))
        #expect(try await control.greets(session: UInt64(2000 + number)))
      }

      #expect(await coordinator.completesRun())
      #expect(coordinator.committedRounds.map(\.round) == Array(1...7))
      #expect(coordinator.committedRounds.allSatisfy { $0.reported == 5 })
      // No message of anyone else was left out, so no round took a second attempt.
      #expect(coordinator.committedRounds.allSatisfy { $0.attempt == 0 })
      #expect(coordinator.count("messages dropped") == coordinator.count("messages dropped", "worker=worker-6"))
      #expect(coordinator.count("worker lost") == coordinator.count("worker lost", "worker=worker-6"))
      #expect(coordinator.residentBytes < 200 << 20)
      #expect(workers.allSatisfy { $0.isRunning })
      try federation.checkVersions()
      try federation.checkLogs(without: [HostileFrames.marker])
    }

    @Test("Of two sessions with one key the newer one stays, and the older one is told and cannot come back")
    func twoSessions() async throws {
      let federation = try ProcessFederation(workers: 6)
      let coordinator = try await federation.startCoordinator(submitting: false)
      let older = try HostilePeer.connect(to: .control, of: federation, as: "worker-6")
      let newer = try HostilePeer.connect(to: .control, of: federation, as: "worker-6")
      #expect(try await older.send(ControlToCoordinator.hello(session: 1)))
      #expect(try await older.hears { $0.welcomes(1) })
      #expect(try await newer.send(ControlToCoordinator.hello(session: 2)))
      #expect(try await newer.hears { $0.welcomes(2) })
      #expect(try await older.hears { $0.refuses(.superseded) })
      #expect(try await older.send(ControlToCoordinator.hello(session: 1)))
      #expect(try await older.hears { $0.refuses(.superseded) })
      #expect(coordinator.count("worker lost", "worker=worker-6", "superseded") == 1)
      #expect(coordinator.count("worker joined", "worker=worker-6") == 2)
    }

    @Test("Whoever holds no worker's key is not let in, and an honest worker still is")
    func strangers() async throws {
      let federation = try ProcessFederation(workers: 6)
      let coordinator = try await federation.startCoordinator(submitting: false)
      let raw = try (0..<64).map { _ in try RawConnection(to: try federation.endpoints.control) }
      for (number, connection) in raw.enumerated() where number % 2 == 0 {
        connection.send((0..<4096).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ number) })
      }
      let keys: [CurveKeyPair?] = [
        nil, try CurveKeyPair.generate(), try federation.home("consumer", .consumer).keys,
        try federation.home("serving", .servingNode).keys, try federation.home("operator", .operator).keys,
      ]
      for target in [HostilePeer.Target.control, .bulk] {
        for key in keys {
          let peer = try HostilePeer.connect(to: target, of: federation, with: key)
          // No connection is ever completed, so nobody takes the message.
          let isTaken = try await peer.send([[0x08, 1]], within: .milliseconds(100))
          #expect(!isTaken)
        }
      }
      #expect(
        await eventually { coordinator.count("connection refused", "reason=unknownKey", "domain=murmur.worker") >= 8 })
      let honest = try HostilePeer.connect(to: .control, of: federation, as: "worker-1")
      #expect(try await honest.send(ControlToCoordinator.hello(session: 1)))
      #expect(try await honest.hears { $0.welcomes(1) })
      #expect(coordinator.count("worker joined") == 1)
      withExtendedLifetime(raw) {}
    }
  }
}

/// A TCP connection that knows nothing of ZeroMQ.
final class RawConnection {
  private let descriptor: Int32

  init(to endpoint: String) throws {
    let port = try #require(Endpoint(rawValue: endpoint).port)
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    let descriptor = descriptor
    let isConnected = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
      }
    }
    try #require(isConnected)
  }

  deinit { close(descriptor) }

  /// What the other side does not take is lost.
  func send(_ bytes: [UInt8]) { _ = Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) }
}
