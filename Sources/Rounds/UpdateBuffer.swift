import Aggregation
import Federation
import SecureAggregation

/// The buffer of an asynchronous run, and everyone who trains for it (FedBuff: Nguyen et al. 2022, Algorithm 1).
///
///     filling ── K updates, or the round's deadline and enough ──▶ closed ── next version ──▶ filling …
///
/// Nobody waits for anybody: whoever is free is asked to train on the newest version, and those who still train on an
/// older one are carried over from round to round, until that version is too old. All who were asked under one attempt
/// are a *group*; the group's updates have one sum, so the order of arrival within a buffer changes nothing. An update
/// that is complete while the buffer is closed is held back, and counts in the next one.
///
/// A worker reports to a version at most once, and to one version at a time. The actions are those of the run.
struct UpdateBuffer: Sendable {
  typealias Action = RunStateMachine.Action

  /// Those who were asked under one attempt, and so train on one version.
  private struct Group: Sendable {
    let context: AttemptContext
    let offer: RoundOffer
    /// Versions that were made since.
    var staleness = 0
    /// Whoever was ever asked: not a second time.
    var asked: Set<WorkerID> = []
    /// Asked, and neither counted nor gone.
    var training: Set<WorkerID> = []
    /// Of these: their uploads are on the way.
    var reporting: Set<WorkerID> = []
    /// In the buffer.
    var counted: Set<WorkerID> = []

    var attempt: AttemptID { context.attempt }
    var upload: Digest { context.roundID }
  }

  /// A complete upload that waits for the next buffer.
  private struct Held: Sendable {
    let worker: WorkerID
    let attempt: AttemptID
  }

  let rules: BufferRules
  /// Updates without which no version is made, even at the deadline.
  let minimum: Int
  /// Nothing is trained behind this buffer: who is not in it when it closes is not counted.
  var isLast = false
  /// Oldest first; the last one is of the attempt in hand.
  private var groups: [Group] = []
  /// In the order of their arrival.
  private var held: [Held] = []
  /// Lost: not waited for, welcome back.
  private var absent: Set<WorkerID> = []
  private(set) var isClosed = false
  /// The round has lasted as long as a report may take: what is there suffices, if it is enough.
  private var isOverdue = false
  /// Workers that left since the last version: declined, restarted, late, too old, or broke a rule.
  private(set) var dropped = 0

  init(rules: BufferRules, minimum: Int) {
    self.rules = rules
    self.minimum = minimum
  }

  // MARK: What the run asks

  /// Updates in the buffer.
  var count: Int { groups.reduce(0) { $0 + $1.counted.count } }

  /// Whose updates are in the buffer; twice, if two of a worker's are.
  var survivors: [WorkerID] { groups.flatMap(\.counted).sorted() }

  /// Mean and largest staleness of what is in the buffer; nil if nothing is.
  var staleness: Staleness? {
    guard count > 0 else { return nil }
    let sum = groups.reduce(0) { $0 + $1.staleness * $1.counted.count }
    return Staleness(
      mean: Double(sum) / Double(count), largest: groups.filter { !$0.counted.isEmpty }.map(\.staleness).max() ?? 0)
  }

  /// Everyone who trains or reports, or whose update is held back, with the attempt that it is for.
  var inFlight: [WorkerID: AttemptID] {
    var found: [WorkerID: AttemptID] = [:]
    for group in groups { for worker in group.training { found[worker] = group.attempt } }
    for input in held { found[input.worker] = input.attempt }
    return found
  }

  /// Under which a worker that trains reports.
  func upload(of worker: WorkerID) -> Digest? { place(of: worker).map { groups[$0].upload } }

  /// Of these, those who are here.
  var awaited: Set<WorkerID> { Set(inFlight.keys).subtracting(absent) }

  /// Whether a worker is free, and was not asked about the newest version yet.
  func mayAsk(_ worker: WorkerID) -> Bool {
    groups.last?.asked.contains(worker) != true && !groups.contains { $0.training.contains(worker) }
      && !held.contains { $0.worker == worker }
  }

  // MARK: Rounds

  /// The next round: the buffer is empty, whoever still trains is one version further behind, and new workers are asked
  /// under `offer`.
  mutating func begin(_ context: AttemptContext, _ offer: RoundOffer) -> [Action] {
    isClosed = false
    isOverdue = false
    dropped = 0
    for place in groups.indices {
      groups[place].staleness += 1
      groups[place].counted = []
    }
    let actions = dropOutdated()
    groups.removeAll { group in group.training.isEmpty && !held.contains { $0.attempt == group.attempt } }
    let plan = RunStateMachine.UploadPlan(
      upload: context.roundID, aggregation: .plain, configuration: context.configuration,
      vectors: PlainAttempt.vectors(for: context.configuration), workers: [], beside: groups.map(\.upload))
    groups.append(Group(context: context, offer: offer))
    let deadline = RunStateMachine.DeadlineID(kind: .plainReport, attempt: context.attempt)
    return actions + [.openUploads(plan), .startDeadline(deadline, Self.deadline(of: context))]
  }

  /// Whoever trains on a version that is too old is told that it will not count.
  private mutating func dropOutdated() -> [Action] {
    let outdated = groups.filter { $0.staleness > rules.stalenessMax }
    let reason = "its version is more than \(rules.stalenessMax) versions old"
    return outdated.flatMap { group -> [Action] in
      let late = held.filter { $0.attempt == group.attempt }.map(\.worker)
      held.removeAll { $0.attempt == group.attempt }
      dropped += late.count
      return late.sorted().flatMap { refusal(of: $0, in: group, reason) }
        + group.training.sorted().flatMap { dismiss($0, from: group.attempt, reason) }
    }
  }

  /// What was held back while the buffer was closed comes into this one, as far as there is room.
  mutating func takeHeld() -> [Action] {
    var actions: [Action] = []
    while !isClosed, !held.isEmpty {
      let input = held.removeFirst()
      guard let place = groups.firstIndex(where: { $0.attempt == input.attempt }) else { continue }
      actions += count(input.worker, in: place)
    }
    return actions
  }

  /// Asks free workers to train on the newest version.
  mutating func ask(_ workers: [WorkerID]) -> [Action] {
    guard let place = groups.indices.last else { return [] }
    let group = groups[place]
    return workers.flatMap { worker -> [Action] in
      precondition(mayAsk(worker), "\(worker) is asked although it trains, or a second time")
      groups[place].asked.insert(worker)
      groups[place].training.insert(worker)
      absent.remove(worker)
      let deadline = RunStateMachine.DeadlineID(kind: .update(worker), attempt: group.attempt)
      return [
        .admitUpload(from: worker, upload: group.upload), .send(.offer(group.offer), to: worker),
        .startDeadline(deadline, Self.deadline(of: group.context)),
      ]
    }
  }

  /// Whoever trains is told that nothing of it counts, and nothing is taken any more.
  mutating func end(_ outcome: AttemptOutcome, reason: String) -> [Action] {
    let told = inFlight.sorted { $0.key < $1.key }.map { worker, attempt in
      Action.send(.ended(attempt, outcome, reason: reason), to: worker)
    }
    for place in groups.indices {
      groups[place].training = []
      groups[place].reporting = []
    }
    held = []
    return [.closeUploads] + told
  }

  private static func deadline(of context: AttemptContext) -> Duration {
    .milliseconds(Int64(clamping: context.configuration.inputDeadline))
  }

  // MARK: Events

  mutating func uploadOpened(_ header: InputHeader, from worker: WorkerID) -> [Action] {
    guard let place = place(of: worker) else { return [.refuseUpload(from: worker, reason: "not counted")] }
    let group = groups[place]
    guard header.transcript == group.upload else { return [Self.outdated(worker)] }
    guard PlainAttempt.isValid(header, from: worker, in: group.context) else {
      return leave(worker, in: place) + [.refuseUpload(from: worker, reason: Refusal.badSignature.rawValue)]
    }
    groups[place].reporting.insert(worker)
    absent.remove(worker)
    return [.acceptUpload(from: worker)]
  }

  mutating func uploadCompleted(_ trailer: InputTrailer, payload: Digest, from worker: WorkerID) -> [Action] {
    guard let place = place(of: worker) else { return [.refuseUpload(from: worker, reason: "not counted")] }
    let group = groups[place]
    guard trailer.transcript == group.upload else { return [Self.outdated(worker)] }
    guard group.reporting.contains(worker),
      PlainAttempt.isValid(trailer, payload: payload, from: worker, in: group.context)
    else {
      return leave(worker, in: place) + [.refuseUpload(from: worker, reason: Refusal.wrongDigest.rawValue)]
    }
    guard !isClosed else {
      groups[place].training.remove(worker)
      groups[place].reporting.remove(worker)
      held.append(Held(worker: worker, attempt: group.attempt))
      return []
    }
    return count(worker, in: place)
  }

  /// The content of an upload broke a rule.
  mutating func inputRejected(from worker: WorkerID) -> [Action] {
    place(of: worker).map { leave(worker, in: $0) } ?? []
  }

  mutating func workerGone(_ worker: WorkerID) -> [Action] {
    if inFlight[worker] != nil { absent.insert(worker) }
    return []
  }

  /// The link is back: what was said may not have arrived.
  mutating func workerReturned(_ worker: WorkerID) -> [Action] {
    absent.remove(worker)
    return place(of: worker).map { [.send(.offer(groups[$0].offer), to: worker)] } ?? []
  }

  /// It takes no further part in what it was asked; what it has reported completely still counts.
  mutating func workerLeft(_ worker: WorkerID) -> [Action] {
    place(of: worker).map { leave(worker, in: $0) } ?? []
  }

  /// A worker has had as long as a report may take.
  mutating func updateOverdue(_ worker: WorkerID, _ attempt: AttemptID) -> [Action] {
    groups.contains { $0.attempt == attempt && $0.training.contains(worker) }
      ? dismiss(worker, from: attempt, "its time to report is over") : []
  }

  mutating func roundOverdue() -> [Action] {
    isOverdue = true
    return closeIfDue()
  }

  /// Makes a version of what is there.
  ///
  /// - Precondition: that is enough, and the buffer is not closed.
  mutating func close() -> [Action] {
    precondition(!isClosed && count >= min(minimum, rules.size), "a version of too few updates")
    isClosed = true
    let youngest = groups.reversed().map { group in
      BufferOrder.Group(
        upload: group.upload, staleness: group.staleness, factor: rules.weight(staleness: group.staleness))
    }
    let order = BufferOrder(groups: youngest)
    return (isLast ? end(.notCounted, reason: "the last buffer is full") : []) + [.openBuffer(order)]
  }

  // MARK: Steps

  /// Where a worker trains.
  private func place(of worker: WorkerID) -> Int? { groups.firstIndex { $0.training.contains(worker) } }

  private static func outdated(_ worker: WorkerID) -> Action {
    .ignored(from: worker, why: "an upload of an attempt that is over for it")
  }

  private mutating func count(_ worker: WorkerID, in place: Int) -> [Action] {
    forget(worker, in: place)
    groups[place].counted.insert(worker)
    return [
      .addInput(from: worker), .send(.ended(groups[place].attempt, .counted, reason: ""), to: worker),
    ] + closeIfDue()
  }

  private mutating func forget(_ worker: WorkerID, in place: Int) {
    groups[place].training.remove(worker)
    groups[place].reporting.remove(worker)
    absent.remove(worker)
  }

  private mutating func leave(_ worker: WorkerID, in place: Int) -> [Action] {
    forget(worker, in: place)
    dropped += 1
    return []
  }

  /// Tells a worker that its attempt goes on without it.
  private mutating func dismiss(_ worker: WorkerID, from attempt: AttemptID, _ reason: String) -> [Action] {
    guard let place = groups.firstIndex(where: { $0.attempt == attempt }) else { return [] }
    return leave(worker, in: place) + refusal(of: worker, in: groups[place], reason)
  }

  private func refusal(of worker: WorkerID, in group: Group, _ reason: String) -> [Action] {
    [
      .refuseUpload(from: worker, reason: "not counted"),
      .send(.ended(group.attempt, .notCounted, reason: reason), to: worker),
    ]
  }

  private mutating func closeIfDue() -> [Action] {
    guard !isClosed, count >= rules.size || (isOverdue && count >= minimum) else { return [] }
    return close()
  }

  /// Structural claims that hold after every event.
  func checkInvariants() {
    precondition(count <= rules.size, "more updates than the buffer holds")
    precondition(groups.allSatisfy { $0.staleness <= rules.stalenessMax }, "a version that is too old")
    precondition(
      groups.reduce(0) { $0 + $1.training.count } + held.count == inFlight.count, "a worker trains on two versions")
    precondition(
      groups.allSatisfy {
        $0.training.isSubset(of: $0.asked) && $0.counted.isSubset(of: $0.asked)
          && $0.training.isDisjoint(with: $0.counted) && $0.reporting.isSubset(of: $0.training)
      }, "an update of nobody who was asked")
    precondition(held.isEmpty || isClosed, "an update is held back although the buffer is open")
  }
}

/// What a buffer is made into a version of: the sum of each group, and what it counts.
package struct BufferOrder: Hashable, Sendable {
  /// Those who trained on one version.
  package struct Group: Hashable, Sendable {
    /// Under which their updates came.
    package let upload: Digest
    /// τ: versions that were made since.
    package let staleness: Int
    /// s(τ).
    package let factor: Double
  }

  /// Youngest first: the first one is of the attempt in hand. Some may have no updates.
  package let groups: [Group]
}

/// By how many versions the updates of a round were behind.
package struct Staleness: Hashable, Sendable {
  package let mean: Double
  package let largest: Int

  package init(mean: Double, largest: Int) {
    self.mean = mean
    self.largest = largest
  }
}
