import Federation
import Glibc
import ModelRegistry
import Testing

@testable import Pulling

@Suite("Following an alias", .timeLimit(.minutes(2)))
struct FollowTests {
  /// A follower whose pauses end when the test says so.
  private final class Bench: Sendable {
    let fixture: Fixture
    let source: ScriptedSource
    /// How long it wants to wait, each time that it begins to.
    let pauses: AsyncStream<Duration>
    private let paused: AsyncStream<Duration>.Continuation
    private let steps: AsyncStream<Void>
    private let next: AsyncStream<Void>.Continuation
    let events: AsyncStream<ModelFollower.Event>
    private let told: AsyncStream<ModelFollower.Event>.Continuation

    init() throws {
      fixture = try Fixture()
      source = ScriptedSource("tcp://a", try fixture.version(1))
      (pauses, paused) = AsyncStream.makeStream(of: Duration.self)
      (steps, next) = AsyncStream.makeStream(of: Void.self)
      (events, told) = AsyncStream.makeStream(of: ModelFollower.Event.self)
    }

    var folder: String { fixture.path("served") }
    func step() { next.yield() }

    /// Follows until the task is cancelled.
    func run(keep: Int, isCached: Bool) async -> PullError? {
      let follower = ModelFollower(
        fixture.puller(source), into: FollowFolder(folder, keep: keep), through: isCached ? fixture.cache : nil,
        interval: .seconds(2)
      ) { [paused, steps] pause in
        paused.yield(pause)
        for await _ in steps { break }
      }
      var choices = SeededGenerator(seed: 1)
      do throws(PullError) {
        try await follower.run(.typed("digits"), choices: &choices) { [told] in told.yield($0) }
        return nil
      } catch {
        return error
      }
    }
  }

  @Test(
    "Each version that the alias comes to is in a folder of its own, and 'current' points to it",
    arguments: [true, false])
  func follows(isCached: Bool) async throws {
    let bench = try Bench()
    let following = Task { await bench.run(keep: 2, isCached: isCached) }
    var events = bench.events.makeAsyncIterator()
    for number in [1, 2, 3] as [ModelVersion] {
      if number > 1 {
        bench.source.publish(try bench.fixture.version(number))
        bench.step()
      }
      guard case .arrived(let model, let removed)? = await events.next() else { throw BadEvent() }
      #expect(model.manifest.version == number)
      #expect(removed == (number == 3 ? [1] : []))
      #expect(FollowFolder(bench.folder, keep: 2).current == number)
      let current = try PulledModel.verify(directory: "\(bench.folder)/current", membership: bench.fixture.membership)
      #expect(current.digest == model.digest)
    }
    #expect(try DurableFile.names(in: bench.folder) == ["2", "3", "current"])
    following.cancel()
    #expect(await following.value == nil)
  }

  @Test("An alias that goes back is followed back, and the version in force stays whatever its number")
  func rollback() async throws {
    let bench = try Bench()
    let following = Task { await bench.run(keep: 1, isCached: false) }
    var events = bench.events.makeAsyncIterator()
    _ = await events.next()
    bench.source.publish(try bench.fixture.version(2))
    bench.step()
    _ = await events.next()
    bench.source.move(.latest, to: 1)
    bench.step()
    guard case .arrived(let model, let removed)? = await events.next() else { throw BadEvent() }
    #expect(model.manifest.version == 1)
    #expect(removed == [2])
    #expect(try DurableFile.names(in: bench.folder) == ["1", "current"])
    following.cancel()
    #expect(await following.value == nil)
  }

  @Test("While nobody answers the version in force stays; the trouble is told once, the pauses grow up to a bound")
  func survives() async throws {
    let bench = try Bench()
    let following = Task { await bench.run(keep: 3, isCached: false) }
    var events = bench.events.makeAsyncIterator()
    _ = await events.next()
    bench.source.refuse(PullError(.network, "nobody answers"))
    for _ in 0..<10 { bench.step() }
    guard case .troubled(let error, _)? = await events.next() else { throw BadEvent() }
    #expect(error.message == "nobody answers")
    var pauses: [Duration] = []
    for await pause in bench.pauses.prefix(11) { pauses.append(pause) }
    try #require(pauses.count == 11)
    #expect(pauses[1] < .seconds(5))
    #expect(pauses[10] > .seconds(45) && pauses[10] <= FollowPace.pauseMax * 1.2)
    bench.source.refuse(nil)
    bench.step()
    guard case .recovered? = await events.next() else { throw BadEvent() }
    #expect(FollowFolder(bench.folder, keep: 3).current == 1)
    following.cancel()
    #expect(await following.value == nil)
  }

  @Test("A version that does not verify changes nothing, and is told")
  func forged() async throws {
    let bench = try Bench()
    let following = Task { await bench.run(keep: 3, isCached: false) }
    var events = bench.events.makeAsyncIterator()
    _ = await events.next()
    bench.source.conduct(.init(change: { byte, _ in byte ^ 1 }))
    bench.source.publish(try bench.fixture.version(2))
    bench.step()
    guard case .troubled(let error, _)? = await events.next() else { throw BadEvent() }
    #expect(error.kind == .verificationFailed)
    #expect(FollowFolder(bench.folder, keep: 3).current == 1)
    following.cancel()
    _ = await following.value
  }

  @Test("A first pull that fails ends the follower", arguments: [PullError.Kind.network, .notFound, .notAuthorised])
  func firstFails(kind: PullError.Kind) async throws {
    let bench = try Bench()
    bench.source.refuse(PullError(kind, "no"))
    #expect(await bench.run(keep: 1, isCached: false)?.kind == kind)
  }

  @Test("Only an alias can be followed", arguments: ["digits@3", "digits@sha256:\(String(repeating: "0", count: 64))"])
  func fixed(reference: String) async throws {
    let bench = try Bench()
    let follower = ModelFollower(
      bench.fixture.puller(bench.source), into: FollowFolder(bench.folder, keep: 1), through: nil, interval: .seconds(1)
    )
    var choices = SeededGenerator(seed: 1)
    let error = await failure { () throws(PullError) in
      try await follower.run(.typed(reference), choices: &choices) { _ in }
    }
    #expect(error?.kind == .usage)
  }

  @Test("'current' is never missing while it moves")
  func atomic() async throws {
    let fixture = try Fixture()
    let directory = fixture.path("served")
    let folder = FollowFolder(directory, keep: 2)
    for number in 0..<2 { try DurableFile.createDirectory("\(directory)/\(number)") }
    try folder.moveCurrent(to: 0)
    let isDone = Locked(false)
    let watching = Task.detached {
      var misses = 0
      while !isDone.withLock({ $0 }) {
        if !DurableFile.exists("\(directory)/current/.") { misses += 1 }
      }
      return misses
    }
    for turn in 0..<500 { try folder.moveCurrent(to: ModelVersion(UInt64(turn % 2))) }
    isDone.withLock { $0 = true }
    #expect(await watching.value == 0)
  }

  @Test("Pauses keep near the interval, and stay within their bounds", arguments: [0.1, 2, 300])
  func pace(seconds: Double) {
    let interval = Duration.seconds(seconds)
    var pace = FollowPace(interval: interval)
    var choices = SeededGenerator(seed: 5)
    for _ in 0..<100 {
      let pause = pace.answered(choices: &choices)
      #expect(pause >= interval * 0.8 && pause <= interval * 1.2)
    }
    var last = Duration.zero
    for _ in 0..<30 { last = pace.failed(choices: &choices) }
    #expect(last >= max(interval, FollowPace.pauseMax) * 0.8 && last <= max(interval, FollowPace.pauseMax) * 1.2)
    #expect(pace.answered(choices: &choices) <= interval * 1.2)
  }

  private struct BadEvent: Error {}
}
