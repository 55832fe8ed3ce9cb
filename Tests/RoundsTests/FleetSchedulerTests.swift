import Federation
import Rounds
import Testing

@Suite("Several runs on one fleet")
struct FleetSchedulerTests {
  private static func names(_ count: Int) -> [WorkerID] { (1...count).map { WorkerID(unchecked: "worker-\($0)") } }

  /// Gives turns as a driver does, to runs that offer to at most `target` and at least `minimum` of the workers they get.
  private struct Fleet {
    struct Run {
      let minimum: Int
      let target: Int
      /// Those that suit it.
      let workers: Set<WorkerID>
      var isWaiting = true
      /// Takes any worker that is free, up to `target`, and gives each back by itself.
      var takesSingly = false
    }

    var scheduler = FleetScheduler()
    var runs: [RunID: Run] = [:]
    var present: Set<WorkerID> = []
    private(set) var offers: [(run: RunID, cohort: Set<WorkerID>)] = []

    mutating func add(_ name: RunID, weight: UInt32 = 1, _ run: Run) {
      runs[name] = run
      scheduler.add(name, weight: weight)
      settle()
    }

    mutating func settle() {
      let waiting = runs.filter { name, run in
        let leased = scheduler.cohort(of: name).count
        return run.isWaiting && (leased == 0 || (run.takesSingly && leased < run.target))
      }.keys.sorted()
      for name in scheduler.beginPass(waiting: waiting) {
        guard let run = runs[name] else { continue }
        let leased = scheduler.cohort(of: name)
        let suited = present.intersection(run.workers).subtracting(leased)
        let free = scheduler.free(of: suited).sorted()
        if leased.count + free.count >= run.minimum, !free.isEmpty {
          let cohort = Array(free.prefix(run.target - leased.count))
          scheduler.lease(cohort, to: name)
          offers.append((name, Set(cohort)))
        } else {
          scheduler.passedOver(
            name, suited: suited, isReady: suited.count >= run.minimum, takesSingly: !leased.isEmpty)
        }
      }
    }

    mutating func end(_ name: RunID) {
      let last = runs[name]?.takesSingly == true ? scheduler.cohort(of: name).sorted().dropFirst() : []
      scheduler.release(name, except: Set(last))
      settle()
    }
  }

  @Test("A run that takes workers one by one leaves each to the others when its update is there")
  func sharesSingly() {
    var fleet = Fleet()
    fleet.present = Set(Self.names(4))
    fleet.add("singly", .init(minimum: 1, target: 4, workers: fleet.present, takesSingly: true))
    fleet.add("pair", .init(minimum: 2, target: 2, workers: fleet.present))
    #expect(fleet.scheduler.cohort(of: "singly").count == 4)
    fleet.end("singly")
    fleet.end("singly")  // What is free is kept for the pair.
    #expect(fleet.scheduler.cohort(of: "pair").count == 2)
    #expect(fleet.scheduler.cohort(of: "singly").count == 2)
    fleet.end("pair")
    #expect(fleet.offers.count { $0.run == "singly" } + fleet.offers.count { $0.run == "pair" } == 3)
    for _ in 0..<40 { for run in ["singly", "pair"] as [RunID] { fleet.end(run) } }
    func service(_ run: RunID) -> Int { fleet.offers.filter { $0.run == run }.reduce(0) { $0 + $1.cohort.count } }
    #expect(abs(service("singly") - service("pair")) <= 6)
    #expect(fleet.scheduler.checkInvariants() == [])
  }

  @Test("Runs that want everyone take turns, and one of weight 2 has two of three")
  func takesTurns() {
    var fleet = Fleet()
    fleet.present = Set(Self.names(4))
    fleet.add("a", .init(minimum: 2, target: 4, workers: fleet.present))
    fleet.add("b", weight: 2, .init(minimum: 2, target: 4, workers: fleet.present))
    for _ in 0..<30 { if let last = fleet.offers.last { fleet.end(last.run) } }
    #expect(fleet.offers.suffix(30).count { $0.run == "b" } == 20)
  }

  @Test("Runs with small cohorts work side by side, on different workers")
  func sharesWorkers() {
    var fleet = Fleet()
    fleet.present = Set(Self.names(4))
    fleet.add("a", .init(minimum: 2, target: 2, workers: fleet.present))
    fleet.add("b", .init(minimum: 2, target: 2, workers: fleet.present))
    #expect(fleet.offers.map(\.run) == ["a", "b"])
    #expect(fleet.offers[0].cohort.isDisjoint(with: fleet.offers[1].cohort))
  }

  @Test("A run that needs many workers is not starved by others that take them one by one")
  func keepsForTheLarge() {
    var fleet = Fleet()
    fleet.present = Set(Self.names(4))
    for name in ["a", "b"] as [RunID] { fleet.add(name, .init(minimum: 1, target: 2, workers: fleet.present)) }
    fleet.add("large", .init(minimum: 4, target: 4, workers: fleet.present))
    fleet.end("a")
    #expect(fleet.offers.count == 2)  // What is free now is kept.
    fleet.end("b")
    #expect(fleet.offers.map(\.run) == ["a", "b", "large"])
  }

  @Test("Nothing is kept for a run that had every worker and offered nothing, until others are there")
  func keepsNothingInVain() {
    var scheduler = FleetScheduler()
    scheduler.add("picky", weight: 1)
    scheduler.add("other", weight: 1)
    let three = Set(Self.names(3))
    #expect(scheduler.beginPass(waiting: ["other", "picky"]) == ["picky", "other"])
    scheduler.passedOver("picky", suited: three, isReady: true)
    #expect(scheduler.free(of: three) == three)
    scheduler.lease(Self.names(1), to: "other")
    _ = scheduler.beginPass(waiting: ["picky"])
    scheduler.passedOver("picky", suited: three, isReady: true)
    #expect(scheduler.free(of: three).count == 2)
    let four = Set(Self.names(4))
    scheduler.passedOver("picky", suited: four, isReady: true)
    #expect(scheduler.free(of: four).isEmpty)
  }

  @Test("A run that gathers still, or that ended, holds nobody")
  func holdsNobody() {
    var scheduler = FleetScheduler()
    let all = Set(Self.names(3))
    for run in ["a", "b"] as [RunID] { scheduler.add(run, weight: 1) }
    scheduler.lease(Self.names(1), to: "a")
    _ = scheduler.beginPass(waiting: ["b"])
    scheduler.passedOver("b", suited: all, isReady: false)
    #expect(scheduler.free(of: all).count == 2)
    scheduler.remove("a")
    #expect(scheduler.free(of: all) == all)
    #expect(scheduler.holder(of: Self.names(1)[0]) == nil)
    #expect(scheduler.beginPass(waiting: ["a", "b"]) == ["b"])
  }

  @Test("A run that was set aside, or had nobody to work with, catches up nothing either")
  func comesBack() {
    var fleet = Fleet()
    let all = Set(Self.names(4))
    fleet.present = Set(Self.names(2))
    fleet.add("old", .init(minimum: 2, target: 2, workers: all))
    // One waits for workers that are not there, one for people.
    fleet.add("lonely", .init(minimum: 2, target: 2, workers: all.subtracting(fleet.present)))
    fleet.add("paused", .init(minimum: 2, target: 2, workers: all))
    fleet.runs["paused"]?.isWaiting = false
    for _ in 0..<20 { fleet.end("old") }
    #expect(fleet.offers.allSatisfy { $0.run == "old" })
    fleet.runs["paused"]?.isWaiting = true
    fleet.runs["lonely"] = .init(minimum: 2, target: 2, workers: all)
    fleet.settle()
    let before = fleet.offers.count
    for _ in 0..<30 { if let last = fleet.offers.last { fleet.end(last.run) } }
    for run in ["old", "lonely", "paused"] as [RunID] {
      #expect((9...11).contains(fleet.offers[before...].count { $0.run == run }), "\(run)")
    }
  }

  @Test("A run that joins late catches up nothing")
  func joinsLate() {
    var fleet = Fleet()
    fleet.present = Set(Self.names(2))
    fleet.add("old", .init(minimum: 2, target: 2, workers: fleet.present))
    for _ in 0..<10 { fleet.end("old") }
    fleet.add("new", .init(minimum: 2, target: 2, workers: fleet.present))
    for _ in 0..<10 { if let last = fleet.offers.last { fleet.end(last.run) } }
    let shares = fleet.offers.suffix(10).map(\.run)
    #expect(shares.count { $0 == "new" } == 5)
  }

  @Test(
    "Whatever happens in whatever order: no worker serves two attempts, no run starves, and every lease ends",
    arguments: 1...60 as ClosedRange<UInt64>)
  func survivesAnything(seed: UInt64) {
    var random = SeededGenerator(seed: seed, stream: "fleet")
    var fleet = Fleet()
    let everyone = Self.names(Int.random(in: 2...9, using: &random))
    fleet.present = Set(everyone)
    let names = (1...Int.random(in: 2...5, using: &random)).map { RunID(unchecked: "run-\($0)") }
    var passed: [RunID: Int] = [:]
    var weights: [RunID: UInt32] = [:]
    func join(_ name: RunID) {
      let minimum = Int.random(in: 1...everyone.count, using: &random)
      weights[name] = weights[name] ?? UInt32.random(in: 1...3, using: &random)
      let target = Int.random(in: minimum...everyone.count, using: &random)
      let takesSingly = Bool.random(using: &random)
      fleet.add(
        name, weight: weights[name] ?? 1,
        .init(minimum: minimum, target: target, workers: Set(everyone), takesSingly: takesSingly))
    }
    for name in names { join(name) }
    for _ in 0..<400 {
      let before = fleet.offers.count
      let name = names[Int.random(in: 0..<names.count, using: &random)]
      switch Int.random(in: 0..<10, using: &random) {
      case 0..<6: fleet.end(name)
      case 6:
        fleet.scheduler.remove(name)
        fleet.runs[name] = nil
        fleet.settle()
        join(name)
        passed[name] = 0
      case 7:
        fleet.runs[name]?.isWaiting.toggle()
        passed[name] = 0
        fleet.settle()
      case 8:
        fleet.present.remove(everyone[Int.random(in: 0..<everyone.count, using: &random)])
        passed = [:]
        fleet.settle()
      default:
        fleet.present = Set(everyone)
        passed = [:]
        fleet.settle()
      }
      #expect(fleet.scheduler.checkInvariants() == [])
      for offer in fleet.offers[before...] {
        for other in names where other != offer.run { passed[other, default: 0] += 1 }
        passed[offer.run] = 0
      }
      // At most as many attempts of each other as its service may lag behind: a cohort of everyone at three to one.
      let bound = names.count * (3 * everyone.count + 1)
      for (name, run) in fleet.runs {
        let canWork = run.isWaiting && fleet.present.count >= run.minimum
        if !canWork || !fleet.scheduler.cohort(of: name).isEmpty { passed[name] = 0 }
        #expect(passed[name] ?? 0 <= bound, "\(name) was passed over \(passed[name] ?? 0) times")
      }
    }
    for name in names { fleet.scheduler.remove(name) }
    #expect(everyone.allSatisfy { fleet.scheduler.holder(of: $0) == nil })
    #expect(fleet.scheduler.checkInvariants() == [])
  }
}
