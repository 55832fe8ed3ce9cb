import Federation
import ModelRegistry
import Serving
import Testing

@Suite("Following the published state")
struct StateFollowerTests {
  static func record(_ epoch: UInt64, _ sequence: UInt64) -> StateRecord {
    StateRecord(epoch: epoch, sequence: sequence, kind: .aliasMoved(model: "m", alias: .latest, version: 1))
  }

  static func heartbeat(_ epoch: UInt64, _ sequence: UInt64) -> StateRecord {
    StateRecord(epoch: epoch, sequence: sequence, kind: .heartbeat)
  }

  static func following(_ epoch: UInt64 = 2, _ sequence: UInt64 = 10) -> StateFollower {
    var follower = StateFollower()
    _ = follower.receive(StateSnapshot(epoch: epoch, sequence: sequence, entries: []))
    return follower
  }

  @Test(
    "One record after the other is applied; what is known or of an earlier epoch is not; all else joins again",
    arguments: [
      (record(2, 11), StateFollower.Outcome.apply(record(2, 11))), (record(2, 10), .ignore), (record(2, 1), .ignore),
      (record(1, 11), .ignore), (record(2, 12), .join(.gap(expected: 11, found: 12))),
      (record(3, 1), .join(.newEpoch(3))), (record(3, 11), .join(.newEpoch(3))), (heartbeat(2, 10), .ignore),
      (heartbeat(2, 9), .ignore), (heartbeat(2, 11), .join(.gap(expected: 11, found: 11))),
      (heartbeat(3, 0), .join(.newEpoch(3))), (heartbeat(1, 99), .ignore),
    ])
  func outcome(_ record: StateRecord, _ outcome: StateFollower.Outcome) {
    var follower = Self.following()
    #expect(follower.receive(record) == outcome)
    if case .join = outcome { #expect(follower.isJoining) } else { #expect(!follower.isJoining) }
  }

  @Test("Records that come while a snapshot is on its way are applied behind it, those in it are dropped")
  func buffered() {
    var follower = StateFollower()
    for sequence in 9...13 as ClosedRange<UInt64> { #expect(follower.receive(Self.record(2, sequence)) == .ignore) }
    let (isAccepted, then) = follower.receive(StateSnapshot(epoch: 2, sequence: 11, entries: []))
    #expect(isAccepted)
    #expect(then == [.apply(Self.record(2, 12)), .apply(Self.record(2, 13))])
    #expect(follower.receive(Self.record(2, 14)) == .apply(Self.record(2, 14)))
  }

  @Test("A gap among the kept records asks for another snapshot and keeps what lies behind the gap")
  func bufferedGap() {
    var follower = StateFollower()
    for sequence in [12, 14, 15] as [UInt64] { _ = follower.receive(Self.record(2, sequence)) }
    let (_, then) = follower.receive(StateSnapshot(epoch: 2, sequence: 11, entries: []))
    #expect(then == [.apply(Self.record(2, 12)), .join(.gap(expected: 13, found: 14))])
    #expect(follower.isJoining)
    let (_, again) = follower.receive(StateSnapshot(epoch: 2, sequence: 14, entries: []))
    #expect(again == [.apply(Self.record(2, 15))])
  }

  @Test("A snapshot that nobody asked for, or from before what was seen, is not taken")
  func staleSnapshots() {
    var follower = Self.following()
    #expect(!follower.receive(StateSnapshot(epoch: 2, sequence: 20, entries: [])).isAccepted)
    _ = follower.receive(Self.record(2, 12))
    for (epoch, sequence) in [(2, 9), (1, 99)] as [(UInt64, UInt64)] {
      let (isAccepted, then) = follower.receive(StateSnapshot(epoch: epoch, sequence: sequence, entries: []))
      #expect(!isAccepted)
      #expect(then == [.join(.staleSnapshot)])
    }
    #expect(follower.receive(StateSnapshot(epoch: 2, sequence: 12, entries: [])).isAccepted)
  }

  @Test("What is kept is bounded, and what is lost by that is noticed as a gap")
  func bounded() {
    var follower = StateFollower()
    let count = UInt64(StateFollower.bufferCountMax)
    for sequence in 1...count { #expect(follower.receive(Self.record(2, sequence)) == .ignore) }
    #expect(follower.receive(Self.record(2, count + 1)) == .join(.tooManyRecords))
    let (_, then) = follower.receive(StateSnapshot(epoch: 2, sequence: 0, entries: []))
    #expect(then == [.join(.gap(expected: 1, found: count + 1))])
  }
}
