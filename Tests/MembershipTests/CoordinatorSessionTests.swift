import Federation
import Membership
import Testing

@Suite("The worker's session with the coordinator")
struct CoordinatorSessionTests {
  func session(connectedAt time: UInt64? = nil) -> CoordinatorSession {
    var session = CoordinatorSession(federation: "flock", hello: hello(7))
    guard let time else { return session }
    _ = session.handle(.started(at: milliseconds(time)))
    _ = session.handle(.received(welcome(7), at: milliseconds(time)))
    return session
  }

  func acceptedWelcome() throws -> Welcome {
    guard case .welcome(let accepted) = welcome(7) else { throw CancellationError() }
    return accepted
  }

  @Test("Hello is repeated at growing distances until it is answered")
  func repeatsHello() throws {
    var session = session()
    #expect(session.handle(.started(at: milliseconds(0))) == [.send(.hello(hello(7)))])
    var moments: [MonotonicTime] = [milliseconds(0)]
    for _ in 0..<8 {
      let due = try #require(session.nextDeadline)
      #expect(session.handle(.tick(at: MonotonicTime(nanoseconds: due.nanoseconds - 1))) == [])
      #expect(session.handle(.tick(at: due)) == [.send(.hello(hello(7)))])
      moments.append(due)
    }
    let gaps = zip(moments.dropFirst(), moments).map { $0.since($1) }
    for (gap, plain) in zip(gaps, [250, 500, 1000, 2000, 4000, 4000, 4000, 4000]) {
      #expect(gap >= .milliseconds(plain) * 3 / 4 && gap < .milliseconds(plain) * 5 / 4)
    }
    let welcomed = session.handle(.received(welcome(7), at: milliseconds(60_000)))
    #expect(welcomed == [.connected(try acceptedWelcome())])
    #expect(session.isConnected)
  }

  @Test("A heartbeat leaves after half a second without other traffic")
  func heartbeats() {
    var session = session(connectedAt: 0)
    #expect(session.nextDeadline == milliseconds(500))
    _ = session.handle(.sent(at: milliseconds(300)))
    #expect(session.handle(.tick(at: milliseconds(500))) == [])
    #expect(session.handle(.tick(at: milliseconds(800))) == [.send(.heartbeat)])
    #expect(session.handle(.tick(at: milliseconds(900))) == [])
  }

  @Test("Three heartbeats of silence lose the coordinator, and hello starts over")
  func silence() {
    var session = session(connectedAt: 0)
    _ = session.handle(.heardOther(at: milliseconds(100)))
    for step in [500, 1000, 1500] as [UInt64] {
      #expect(session.handle(.tick(at: milliseconds(step))) == [.send(.heartbeat)])
    }
    #expect(session.handle(.tick(at: milliseconds(1600))) == [.lost(.silence), .send(.hello(hello(7)))])
  }

  @Test(
    "What makes a session say hello again",
    arguments: [
      (.refused(.unknownSession, detail: ""), .forgotten), (.goodbye, .goodbye),
    ] as [(SessionMessage, LossReason)])
  func starsOver(message: SessionMessage, reason: LossReason) {
    var session = session(connectedAt: 0)
    #expect(
      session.handle(.received(message, at: milliseconds(5))) == [.lost(reason), .send(.hello(hello(7)))])
  }

  @Test(
    "Who is told to rest is silent for that time, and then says hello", arguments: [(60, 60), (0, 1), (9_999, 3_600)])
  func rests(seconds: Int, expected: UInt64) {
    var session = session(connectedAt: 0)
    #expect(session.handle(.received(.rest(.seconds(seconds)), at: milliseconds(5))) == [.lost(.resting)])
    #expect(!session.isConnected)
    #expect(session.handle(.received(.heartbeat, at: milliseconds(9))) == [])
    #expect(session.handle(.tick(at: milliseconds(expected * 1000 + 4))) == [])
    #expect(session.nextDeadline == milliseconds(expected * 1000 + 5))
    #expect(session.handle(.tick(at: milliseconds(expected * 1000 + 5))) == [.send(.hello(hello(7)))])
    #expect(session.checkInvariants().isEmpty)
  }

  @Test(
    "What ends a session for good, greeting or connected",
    arguments: [.superseded, .unsupportedVersion] as [SessionRefusal], [true, false])
  func ends(refusal: SessionRefusal, isConnected: Bool) {
    var session = session(connectedAt: isConnected ? 0 : nil)
    _ = session.handle(.started(at: milliseconds(0)))
    #expect(
      session.handle(.received(.refused(refusal, detail: "why"), at: milliseconds(5)))
        == [.ended(.refused(refusal, detail: "why"))])
    #expect(session.isEnded && session.nextDeadline == nil)
    #expect(session.handle(.received(welcome(7), at: milliseconds(6))) == [])
  }

  @Test("A welcome is checked: session, federation, timing, version")
  func checksWelcome() {
    func greeted(_ change: (inout (UInt64, FederationID, Duration, UInt32, UInt32)) -> Void)
      -> [CoordinatorSession.Action]
    {
      var fields: (UInt64, FederationID, Duration, UInt32, UInt32) = (7, "flock", .milliseconds(500), 3, 1)
      change(&fields)
      var session = session()
      _ = session.handle(.started(at: milliseconds(0)))
      let welcome = Welcome(
        version: ProtocolVersion(major: fields.4, minor: 0), session: SessionID(fields.0), federation: fields.1,
        heartbeatInterval: fields.2, missedHeartbeats: fields.3)
      return session.handle(.received(.welcome(welcome), at: milliseconds(1)))
    }
    #expect(greeted { $0.0 = 8 } == [])
    #expect(greeted { $0.1 = "herd" } == [.ended(.wrongFederation("herd"))])
    #expect(greeted { $0.2 = .zero } == [.ended(.unacceptableTiming)])
    #expect(greeted { $0.3 = 0 } == [.ended(.unacceptableTiming)])
    #expect(
      greeted { $0.4 = 2 }
        == [.ended(.refused(.unsupportedVersion, detail: "the coordinator speaks 2.0, the worker 1.0"))])
  }

  @Test("A worker that was suspended does not blame the coordinator")
  func ownAbsence() {
    var session = session(connectedAt: 0)
    #expect(session.handle(.tick(at: milliseconds(90_000))) == [.send(.heartbeat)])
    #expect(session.isConnected)
  }

  @Test("A worker that stops says goodbye")
  func stops() {
    var session = session(connectedAt: 0)
    #expect(session.handle(.stopped(at: milliseconds(1))) == [.send(.goodbye)])
    #expect(session.isEnded)
  }

  @Test("Through loss, delay and reconnects both sides find together when faults stop", arguments: UInt64(0)..<100)
  func converges(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    var table = MembershipTable(federation: "flock", allowed: ["a"])
    var worker = CoordinatorSession(federation: "flock", hello: hello(7))
    var current: UInt8 = 0
    // Messages on their way: when they arrive, on which link, in which direction.
    var flying: [(due: UInt64, link: UInt8, isUp: Bool, message: SessionMessage)] = []
    var joined = 0
    var now: UInt64 = 0
    var isFaulty = true

    func carry(_ actions: [CoordinatorSession.Action]) {
      for case .send(let message) in actions { fly(message, current, isUp: true) }
    }
    func carry(_ actions: [MembershipTable.Action]) {
      for action in actions {
        switch action {
        case .send(let message, let to): fly(message, to.bytes[0], isUp: false)
        case .joined: joined += 1
        case .lost: joined -= 1
        case .rejoined: break
        }
      }
    }
    func fly(_ message: SessionMessage, _ link: UInt8, isUp: Bool) {
      if isFaulty, Int.random(in: 0..<4, using: &random) == 0 { return }
      let delay = isFaulty ? UInt64.random(in: 1...900, using: &random) : 5
      flying.append((now + delay, link, isUp, message))
    }

    carry(worker.handle(.started(at: milliseconds(0))))
    while now < 60_000 {
      now += 10
      isFaulty = now < 40_000
      if isFaulty, Int.random(in: 0..<300, using: &random) == 0 { current &+= 1 }
      let time = milliseconds(now)
      for arrived in flying where arrived.due <= now {
        if !arrived.isUp {
          if arrived.link == current { carry(worker.handle(.received(arrived.message, at: time))) }
          continue
        }
        if case .hello(let hello) = arrived.message {
          carry(table.handle(.helloReceived(hello, from: "a", link: link(arrived.link), at: time)))
        } else {
          carry(table.handle(.heard(from: "a", link: link(arrived.link), at: time)))
        }
      }
      flying.removeAll { $0.due <= now }
      if let due = worker.nextDeadline, due <= time { carry(worker.handle(.tick(at: time))) }
      if let due = table.nextDeadline, due <= time { carry(table.handle(.tick(at: time))) }
      let broken = table.checkInvariants() + worker.checkInvariants()
      if !broken.isEmpty { Issue.record("seed \(seed): \(broken)") }
    }
    #expect(joined == 1 && worker.isConnected, "seed \(seed)")
    #expect(table.isCurrent(link: link(current), of: "a"), "seed \(seed)")
  }
}
