import Federation
import Testing
import Transfer

@Suite("Uploads at the worker")
struct UploadSenderTests {
  func sender(_ events: UploadSender.Event...) -> UploadSender {
    var sender = UploadSender(upload: attempt, totalChunks: 10, deadline: seconds(600))
    for event in [.started(at: seconds(0))] + events { _ = sender.handle(event) }
    return sender
  }

  func granted(_ first: UInt64, _ chunks: UInt32, at time: UInt64 = 1) -> UploadSender.Event {
    .granted(UploadGrant(upload: attempt, firstChunk: first, chunks: chunks), at: seconds(time))
  }

  @Test("It opens, sends what is granted, closes behind the last chunk and ends with the answer")
  func oneUpload() {
    var sender = UploadSender(upload: attempt, totalChunks: 10, deadline: seconds(600))
    #expect(sender.handle(.started(at: seconds(0))) == [.open])
    #expect(sender.handle(granted(0, 8)) == [.send(0..<8)])
    #expect(sender.handle(granted(8, 2)) == [.send(8..<10), .close])
    #expect(sender.handle(granted(9, 1)) == [.send(9..<10), .close])
    #expect(sender.handle(.answered(UploadAnswer(upload: attempt, refusal: ""))) == [.finished])
    #expect(sender.sentChunks == 11)
    #expect(sender.isEnded && sender.nextDeadline == nil)
  }

  @Test("It opens again after a long silence, later and later, and gives up at the deadline")
  func reopens() {
    var sender = sender()
    var log: [String] = []
    while let due = sender.nextDeadline {
      log += sender.handle(.tick(at: due)).map { "\(due.nanoseconds / 1_000_000_000) \($0)" }
    }
    #expect(log.prefix(4) == ["15 open", "45 open", "105 open", "165 open"])
    #expect(log.last == "600 \(UploadSender.Action.failed(.deadline))")
  }

  @Test("A grant of chunks that were sent already does not put off opening again")
  func repeatedGrants() {
    var sender = sender(granted(0, 8, at: 1), granted(0, 8, at: 12))
    #expect(sender.nextDeadline == seconds(16))
    #expect(sender.handle(.tick(at: seconds(16))) == [.open])
  }

  @Test("A lost link stops it, a restored one opens it at once")
  func link() {
    var sender = sender(granted(0, 4), .linkLost)
    #expect(sender.handle(granted(4, 4)) == [])
    #expect(sender.nextDeadline == seconds(600))
    #expect(sender.handle(.linkRestored(at: seconds(90))) == [.open])
  }

  @Test(
    "A grant of chunks that are not there ends it",
    arguments: [(0, 9), (9, 2), (11, 1), (10, 1), (10, 0), (5, 0), (.max, 1)] as [(UInt64, UInt32)])
  func badGrants(first: UInt64, chunks: UInt32) {
    var sender = sender()
    let bad = UploadGrant(upload: attempt, firstChunk: first, chunks: chunks)
    #expect(sender.handle(.granted(bad, at: seconds(1))) == [.failed(.badGrant(bad))])
  }

  @Test("Another upload's grants and answers are not its own")
  func foreign() {
    var sender = sender()
    let other = Digest(unchecked: Array(repeating: 2, count: 32))
    #expect(sender.handle(.granted(UploadGrant(upload: other, firstChunk: 0, chunks: 8), at: seconds(1))) == [])
    #expect(sender.handle(.answered(UploadAnswer(upload: other, refusal: ""))) == [])
  }

  @Test("A refusal ends it with its words, and so does praise for what was never sent")
  func answers() {
    var refused = sender()
    #expect(refused.handle(.answered(UploadAnswer(upload: attempt, refusal: "late"))) == [.failed(.refused("late"))])
    var early = sender(granted(0, 8))
    #expect(early.handle(.answered(UploadAnswer(upload: attempt, refusal: ""))) == [.failed(.badAnswer)])
  }
}

/// Five workers and a coordinator with few slots and little credit over a network that loses, repeats and reorders.
private struct UploadNetwork {
  enum Message {
    case open
    case chunk(UInt64)
    case close
    case grant(UploadGrant)
    case answer(UploadAnswer)
  }

  struct Worker {
    let name: WorkerID
    let shape: UploadShape
    var sender: UploadSender
    var isLinked = true
    var delivered: Set<UInt64> = []
    var isAccepted = false
    var isFinished = false
  }

  let seed: UInt64
  var random: SeededGenerator
  var pool: UploadPool
  var workers: [Worker] = []
  var flying: [(worker: Int, message: Message)] = []
  var now: UInt64 = 0
  var isFaulty = true

  init(seed: UInt64) throws {
    self.seed = seed
    random = SeededGenerator(seed: seed)
    var limits = UploadPool.Limits()
    limits.uploadsAtOnce = Int.random(in: 1...3, using: &random)
    limits.poolBytes = Int.random(in: 1...12, using: &random) * 8
    limits.window = UInt32.random(in: 1...8, using: &random)
    pool = UploadPool(limits: limits)
    for index in 0..<5 {
      let shape = try shape(UInt64.random(in: 1...40, using: &random))
      let sender = UploadSender(upload: attempt, totalChunks: shape.totalChunks, deadline: seconds(100_000))
      workers.append(Worker(name: WorkerID(unchecked: "w\(index)"), shape: shape, sender: sender))
    }
    for index in workers.indices { toSender(index, .started(at: seconds(0))) }
  }

  func happens(_ percent: Int, _ random: inout SeededGenerator) -> Bool {
    Int.random(in: 0..<100, using: &random) < percent
  }

  mutating func toSender(_ index: Int, _ event: UploadSender.Event) {
    for action in workers[index].sender.handle(event) {
      switch action {
      case .open: flying.append((index, .open))
      case .send(let numbers): flying += numbers.map { (index, .chunk($0)) }
      case .close: flying.append((index, .close))
      case .finished: workers[index].isFinished = true
      case .failed(let failure): Issue.record("seed \(seed), \(workers[index].name): \(failure)")
      }
    }
  }

  mutating func toPool(_ event: UploadPool.Event) {
    for action in pool.handle(event) {
      switch action {
      case .grant(let key, let grant): flying.append((index(key), .grant(grant)))
      case .deliver(let key, let number, let piece):
        let isNew = workers[index(key)].delivered.insert(number).inserted
        #expect(isNew, "seed \(seed): \(key) \(number) was delivered twice")
        #expect(piece == workers[index(key)].shape.piece(number))
      case .finished(let key):
        #expect(!workers[index(key)].isAccepted, "seed \(seed): \(key) finished twice")
        workers[index(key)].isAccepted = true
        flying.append((index(key), .answer(UploadAnswer(upload: attempt, refusal: ""))))
      case .repeatAnswer(let key): flying.append((index(key), .answer(UploadAnswer(upload: attempt, refusal: ""))))
      case .ignoreDuplicate, .refuseChunk: break
      case .refuse(let key, let refusal): Issue.record("seed \(seed): \(key) refused: \(refusal)")
      }
    }
    let broken = pool.checkInvariants()
    if !broken.isEmpty { Issue.record("seed \(seed): \(broken)") }
  }

  func index(_ key: UploadKey) -> Int { workers.firstIndex { $0.name == key.worker } ?? 0 }

  mutating func arrive(_ index: Int, _ message: Message) {
    let (key, time) = (key(workers[index].name), seconds(now))
    switch message {
    case .open: toPool(.opened(key, workers[index].shape, at: time))
    case .chunk(let number):
      let bytes = workers[index].shape.piece(number)?.byteCount ?? 0
      toPool(.chunkReceived(key, number: number, byteCount: bytes, at: time))
    case .close: toPool(.closed(key, at: time))
    case .grant(let grant): toSender(index, .granted(grant, at: time))
    case .answer(let answer): toSender(index, .answered(answer))
    }
  }

  mutating func moveLinks() {
    for index in workers.indices {
      if workers[index].isLinked, isFaulty, happens(1, &random) {
        workers[index].isLinked = false
        flying.removeAll { $0.worker == index }
        toSender(index, .linkLost)
        toPool(.lost(workers[index].name, at: seconds(now)))
      } else if !workers[index].isLinked, !isFaulty || happens(10, &random) {
        workers[index].isLinked = true
        toSender(index, .linkRestored(at: seconds(now)))
      }
    }
  }

  mutating func step() {
    now += 1
    moveLinks()
    for _ in 0..<10 where !flying.isEmpty {
      let place = isFaulty ? Int.random(in: 0..<min(6, flying.count), using: &random) : 0
      let isRepeated = isFaulty && happens(8, &random)
      let (index, message) = isRepeated ? flying[place] : flying.remove(at: place)
      if isFaulty, happens(8, &random) { continue }
      arrive(index, message)
    }
    for index in workers.indices {
      if let due = workers[index].sender.nextDeadline, due <= seconds(now) { toSender(index, .tick(at: seconds(now))) }
    }
    if let due = pool.nextDeadline, due <= seconds(now) { toPool(.tick(at: seconds(now))) }
  }
}

@Suite("Uploads over a bad network")
struct UploadNetworkTests {
  @Test("Through loss, repeats, reordering and lost links every chunk is delivered once", arguments: UInt64(0)..<200)
  func converges(seed: UInt64) throws {
    var network = try UploadNetwork(seed: seed)
    while network.now < 5000, !network.workers.allSatisfy(\.isFinished) {
      network.isFaulty = network.now < 300
      network.step()
    }
    for worker in network.workers {
      #expect(worker.isFinished && worker.isAccepted, "seed \(seed): \(worker.name)")
      #expect(worker.delivered.count == Int(worker.shape.totalChunks), "seed \(seed): \(worker.name)")
    }
    #expect(network.pool.outstandingBytes == 0)
  }
}
