import Federation
import Membership
import Testing

func milliseconds(_ value: UInt64) -> MonotonicTime { MonotonicTime(nanoseconds: value * 1_000_000) }

func hello(_ session: UInt64, major: UInt32 = 1) -> Hello {
  Hello(
    version: ProtocolVersion(major: major, minor: 7), session: SessionID(session), software: "murmur 1.0", threads: 2)
}

func link(_ number: UInt8) -> LinkID { LinkID([number]) }

func welcome(_ session: UInt64) -> SessionMessage {
  .welcome(
    Welcome(
      version: .current, session: SessionID(session), federation: "flock", heartbeatInterval: .milliseconds(500),
      missedHeartbeats: 3))
}

@Suite("Membership at the coordinator")
struct MembershipTableTests {
  let superseded = SessionMessage.refused(.superseded, detail: "")
  let sayHello = SessionMessage.refused(.unknownSession, detail: "")

  func table(_ events: MembershipTable.Event...) -> MembershipTable {
    var table = MembershipTable(federation: "flock", allowed: ["a", "b"])
    for event in events { _ = table.handle(event) }
    return table
  }

  @Test("A hello is welcomed and the worker is there")
  func joins() {
    var table = table()
    let actions = table.handle(.helloReceived(hello(1), from: "a", link: link(1), at: milliseconds(10)))
    #expect(actions == [.send(welcome(1), to: link(1)), .joined("a", SessionID(1))])
    #expect(table.present == ["a"])
    #expect(table.link(of: "a") == link(1))
    #expect(table.session(of: "a") == SessionID(1))
    let entries = table.entries(at: milliseconds(30))
    #expect(entries.map(\.silentFor) == [.milliseconds(20)])
    #expect(entries.map(\.software) == ["murmur 1.0"])
  }

  @Test(
    "The table keeps the timing it is given: it says so in the welcome, beats that often, and bears that much silence",
    arguments: [(10, 2), (500, 3), (2000, 5), (60_000, 100)])
  func timing(milliseconds: Int, missed: Int) {
    let timing = SessionTiming(heartbeatInterval: .milliseconds(milliseconds), missedHeartbeats: UInt32(missed))
    var table = MembershipTable(federation: "f", allowed: ["a"], timing: timing)
    func at(_ part: Double) -> MonotonicTime {
      MonotonicTime(nanoseconds: UInt64((10 + part * Double(milliseconds)) * 1e6))
    }
    let hello = Hello(version: .current, session: SessionID(1), software: "x", threads: 1)
    let link = LinkID([1])
    let welcome = Welcome(
      version: .current, session: SessionID(1), federation: "f", heartbeatInterval: timing.heartbeatInterval,
      missedHeartbeats: timing.missedHeartbeats)
    #expect(
      table.handle(.helloReceived(hello, from: "a", link: link, at: at(0)))
        == [.send(.welcome(welcome), to: link), .joined("a", SessionID(1))])
    for quarter in 1..<4 * missed {
      let actions = table.handle(.tick(at: at(Double(quarter) / 4)))
      #expect(actions == (quarter % 4 == 0 ? [.send(.heartbeat, to: link)] : []), "\(quarter) quarters")
    }
    #expect(table.handle(.tick(at: at(Double(missed)))) == [.lost("a", .silence)])
    #expect(timing.tickInterval * 5 == timing.heartbeatInterval)
  }

  @Test("Another major version is refused with both versions named, another minor is not")
  func versions() {
    var table = table()
    let actions = table.handle(.helloReceived(hello(1, major: 2), from: "a", link: link(1), at: milliseconds(0)))
    #expect(
      actions == [
        .send(.refused(.unsupportedVersion, detail: "the coordinator speaks 1.0, the worker 2.7"), to: link(1))
      ])
    #expect(table.present.isEmpty)
  }

  @Test("A name outside the membership list is not answered")
  func strangers() {
    var table = table()
    #expect(table.handle(.helloReceived(hello(1), from: "eve", link: link(1), at: milliseconds(0))) == [])
    #expect(table.handle(.heard(from: "eve", link: link(1), at: milliseconds(0))) == [])
    #expect(table.strangerMessages == 2)
  }

  @Test("The newest session wins: the older is lost, told, and ignored from then on, hello or not")
  func newestSessionWins() {
    var table = table(.helloReceived(hello(1), from: "a", link: link(1), at: milliseconds(0)))
    let actions = table.handle(.helloReceived(hello(2), from: "a", link: link(2), at: milliseconds(5)))
    #expect(
      actions == [
        .send(superseded, to: link(1)), .lost("a", .superseded), .send(welcome(2), to: link(2)),
        .joined("a", SessionID(2)),
      ])
    #expect(table.handle(.heard(from: "a", link: link(1), at: milliseconds(6))) == [])
    #expect(!table.isCurrent(link: link(1), of: "a"))
    #expect(
      table.handle(.helloReceived(hello(1), from: "a", link: link(3), at: milliseconds(7)))
        == [.send(superseded, to: link(3))])
    #expect(table.handle(.heard(from: "a", link: link(3), at: milliseconds(8))) == [])
    #expect(table.session(of: "a") == SessionID(2))
  }

  @Test("A new session on the old link is not told the old one's farewell")
  func sameLink() {
    var table = table(.helloReceived(hello(1), from: "a", link: link(1), at: milliseconds(0)))
    let actions = table.handle(.helloReceived(hello(2), from: "a", link: link(1), at: milliseconds(5)))
    #expect(actions == [.lost("a", .superseded), .send(welcome(2), to: link(1)), .joined("a", SessionID(2))])
    #expect(table.isCurrent(link: link(1), of: "a"))
  }

  @Test("A session that was lost does not return once a newer one has joined")
  func lostSessionsStayAway() {
    var table = table(
      .helloReceived(hello(1), from: "a", link: link(1), at: milliseconds(0)),
      .linkRefused(link(1), at: milliseconds(1)),
      .helloReceived(hello(2), from: "a", link: link(2), at: milliseconds(2)))
    #expect(
      table.handle(.helloReceived(hello(1), from: "a", link: link(1), at: milliseconds(3)))
        == [.send(superseded, to: link(1))])
  }

  @Test("The same session on a new link moves there; repeated hellos are welcomed and are no news")
  func moves() {
    var table = table(.helloReceived(hello(1), from: "a", link: link(1), at: milliseconds(0)))
    let again = table.handle(.helloReceived(hello(1), from: "a", link: link(1), at: milliseconds(1)))
    #expect(again == [.send(welcome(1), to: link(1))])
    let moved = table.handle(.helloReceived(hello(1), from: "a", link: link(2), at: milliseconds(2)))
    #expect(moved == [.send(welcome(1), to: link(2)), .rejoined("a", SessionID(1))])
    #expect(table.handle(.heard(from: "a", link: link(1), at: milliseconds(3))) == [])
    #expect(!table.isCurrent(link: link(1), of: "a"))
    #expect(table.checkInvariants() == [])
  }

  @Test("Traffic on an unknown link asks for a hello, at most once per heartbeat")
  func unknownLink() {
    var table = table()
    #expect(table.handle(.heard(from: "a", link: link(1), at: milliseconds(0))) == [.send(sayHello, to: link(1))])
    #expect(table.handle(.heard(from: "a", link: link(1), at: milliseconds(499))) == [])
    #expect(table.handle(.heard(from: "a", link: link(1), at: milliseconds(500))) == [.send(sayHello, to: link(1))])
  }

  @Test("A worker is lost after three heartbeats of silence, told so when it speaks, and joins again by hello")
  func silence() throws {
    var table = table(.helloReceived(hello(1), from: "a", link: link(1), at: milliseconds(0)))
    #expect(table.nextDeadline == milliseconds(500))
    var log: [String] = []
    while let due = table.nextDeadline, due < milliseconds(3000) {
      for action in table.handle(.tick(at: due)) { log.append("\(due.nanoseconds / 1_000_000) \(action)") }
    }
    let heartbeat = "\(MembershipTable.Action.send(.heartbeat, to: link(1)))"
    let lost = "\(MembershipTable.Action.lost("a", .silence))"
    #expect(log == ["500 \(heartbeat)", "1000 \(heartbeat)", "1500 \(lost)"])
    #expect(table.handle(.heard(from: "a", link: link(1), at: milliseconds(2000))) == [.send(sayHello, to: link(1))])
    let back = table.handle(.helloReceived(hello(1), from: "a", link: link(1), at: milliseconds(2010)))
    #expect(back == [.send(welcome(1), to: link(1)), .joined("a", SessionID(1))])
  }

  @Test("Any traffic is life, and anything sent stands for a heartbeat")
  func traffic() {
    var table = table(
      .helloReceived(hello(1), from: "a", link: link(1), at: milliseconds(0)), .tick(at: milliseconds(0)))
    for step in stride(from: UInt64(400), to: 8000, by: 400) {
      _ = table.handle(.heard(from: "a", link: link(1), at: milliseconds(step)))
      _ = table.handle(.sent(to: link(1), at: milliseconds(step)))
      #expect(table.handle(.tick(at: milliseconds(step))) == [])
    }
  }

  @Test("A coordinator that was away itself does not blame the workers")
  func ownAbsence() {
    var table = table(
      .helloReceived(hello(1), from: "a", link: link(1), at: milliseconds(0)), .tick(at: milliseconds(100)))
    #expect(table.handle(.tick(at: milliseconds(60_000))) == [.send(.heartbeat, to: link(1))])
    #expect(table.handle(.tick(at: milliseconds(60_500))) == [.send(.heartbeat, to: link(1))])
    #expect(table.handle(.tick(at: milliseconds(61_500))).contains(.lost("a", .silence)))
  }

  @Test("Goodbye and a closed link end a session at once; on an old link they end nothing")
  func endings() {
    var table = table(
      .helloReceived(hello(1), from: "a", link: link(1), at: milliseconds(0)),
      .helloReceived(hello(1), from: "a", link: link(2), at: milliseconds(1)),
      .helloReceived(hello(9), from: "b", link: link(3), at: milliseconds(1)))
    #expect(table.handle(.goodbyeReceived(from: "a", link: link(1), at: milliseconds(2))) == [])
    #expect(table.handle(.linkRefused(link(1), at: milliseconds(2))) == [])
    #expect(table.handle(.goodbyeReceived(from: "a", link: link(2), at: milliseconds(3))) == [.lost("a", .goodbye)])
    #expect(table.handle(.heard(from: "a", link: link(2), at: milliseconds(4))) == [])
    #expect(table.handle(.linkRefused(link(3), at: milliseconds(4))) == [.lost("b", .linkClosed)])
    #expect(table.present.isEmpty)
  }

  @Test("A worker that is dismissed is told for how long, is gone, and comes back as the worker that it was")
  func dismisses() {
    var table = table(.helloReceived(hello(1), from: "a", link: link(1), at: milliseconds(0)))
    #expect(
      table.handle(.dismissed("a", for: .seconds(20), at: milliseconds(1)))
        == [.send(.rest(.seconds(20)), to: link(1)), .lost("a", .resting)])
    #expect(table.handle(.dismissed("a", for: .seconds(20), at: milliseconds(2))) == [])
    // What was on its way means nothing, and is not answered.
    #expect(table.handle(.heard(from: "a", link: link(1), at: milliseconds(3))) == [])
    let back = table.handle(.helloReceived(hello(1), from: "a", link: link(1), at: milliseconds(20_000)))
    #expect(back.contains(.joined("a", SessionID(1))))
    #expect(table.checkInvariants().isEmpty)
  }

  @Test("A link that another worker speaks on is lost to the one that had it")
  func takenLink() {
    var table = table(.helloReceived(hello(1), from: "a", link: link(1), at: milliseconds(0)))
    let actions = table.handle(.heard(from: "b", link: link(1), at: milliseconds(1)))
    #expect(actions == [.lost("a", .linkClosed), .send(sayHello, to: link(1))])
  }

  @Test("Whatever arrives in whatever order, joins and losses take turns", arguments: UInt64(0)..<200)
  func takesTurns(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    let workers: [WorkerID] = ["a", "b", "c", "stranger"]
    var table = MembershipTable(federation: "flock", allowed: ["a", "b", "c"])
    var there: [WorkerID: SessionID] = [:]
    var now: UInt64 = 0
    for _ in 0..<400 {
      now += UInt64.random(in: 0...300, using: &random)
      let worker = workers[Int.random(in: 0..<4, using: &random)]
      let link = link(UInt8.random(in: 0..<8, using: &random))
      let time = milliseconds(now)
      let event: MembershipTable.Event =
        switch Int.random(in: 0..<9, using: &random) {
        case 0, 1: .helloReceived(hello(UInt64.random(in: 0..<20, using: &random)), from: worker, link: link, at: time)
        case 2: .goodbyeReceived(from: worker, link: link, at: time)
        case 3: .linkRefused(link, at: time)
        case 4: .tick(at: time)
        case 5: .sent(to: link, at: time)
        case 6: .dismissed(worker, for: .seconds(5), at: time)
        default: .heard(from: worker, link: link, at: time)
        }
      for action in table.handle(event) {
        switch action {
        case .joined(let worker, let session):
          #expect(there.updateValue(session, forKey: worker) == nil, "seed \(seed): joined twice")
        case .rejoined(let worker, let session):
          #expect(there[worker] == session, "seed \(seed): rejoined without having joined")
        case .lost(let worker, _):
          #expect(there.removeValue(forKey: worker) != nil, "seed \(seed): lost without having joined")
        case .send: break
        }
      }
      let broken = table.checkInvariants()
      if !broken.isEmpty { Issue.record("seed \(seed): \(broken)") }
      if table.present != there.keys.sorted() { Issue.record("seed \(seed): \(table.present)") }
    }
  }
}
