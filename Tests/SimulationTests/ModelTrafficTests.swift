import ClusterConfiguration
import Federation
import Rounds
import Testing
import Transfer
import Wire

@testable import Simulation

/// Counts the chunks of models that are sent to each worker, and knows what each was offered.
private final class ModelTraffic: SimulationObserver {
  struct Chunk: Hashable {
    let worker: WorkerID
    let digest: Digest
    let offset: UInt64
  }

  private let workers: [WorkerID]
  private(set) var sent: [Chunk: Int] = [:]
  private(set) var bytes: [WorkerID: Int] = [:]
  /// By worker, the blobs of all its offers with their lengths.
  private(set) var offered: [WorkerID: [Digest: UInt64]] = [:]
  private(set) var evaluations = 0
  private(set) var failure: (any Error)?

  init(_ scenario: SimulationScenario) { workers = scenario.population.workerNames.map(\.0) }

  func sent(_ transmission: Transmission, at time: MonotonicTime, arrivals: [MonotonicTime]) {
    guard transmission.kind == "blobChunk", !arrivals.isEmpty else { return }
    let worker = workers[transmission.worker]
    do {
      let message = try BulkToWorker(decoding: transmission.header, payloadBytes: transmission.payload?.count)
      guard case .chunk(let chunk) = message else { return }
      sent[Chunk(worker: worker, digest: chunk.digest, offset: chunk.offset), default: 0] += 1
      bytes[worker, default: 0] += transmission.payload?.count ?? 0
    } catch {
      failure = error
    }
  }

  func performed(_ action: RunStateMachine.Action, at time: MonotonicTime) {
    guard case .send(.offer(let offer), let worker) = action else { return }
    if offer.task.kind == .evaluate { evaluations += 1 }
    for tensor in offer.tensors { offered[worker, default: [:]][tensor.digest] = tensor.byteCount }
  }
}

@Suite("Models on their way to workers")
struct ModelTrafficTests {
  /// 64-160-10: the largest of the four tensors is acknowledged.
  private static func play(
    _ aggregation: String, rounds: Int, faults: String = "[]", learningRate: String = "0.1"
  ) throws -> (ModelTraffic, SimulationResult) {
    let scenario = try smallScenario(
      faults: faults, rounds: rounds, architecture: "mlp 64-160-10", learningRate: learningRate,
      run: "aggregation: \(aggregation)")
    let traffic = ModelTraffic(scenario)
    var observers = SimulationObservers()
    observers.others = [traffic]
    let result = try SimulationRun(scenario).run(observers: observers)
    #expect(result.violations.isEmpty && traffic.failure == nil)
    return (traffic, result)
  }

  @Test(
    "Over a whole run each version goes to each worker once, whatever is trained, retried or evaluated on it",
    arguments: ["secure", "plain"])
  func oncePerVersion(aggregation: String) throws {
    let (traffic, result) = try Self.play(aggregation, rounds: 4)
    #expect(result.outcome == .completed(4) && traffic.evaluations == 6 && traffic.offered.count == 6)
    #expect(traffic.sent.values.allSatisfy { $0 == 1 })
    for (worker, blobs) in traffic.offered {
      #expect(blobs.count == 5 * 4)
      #expect(traffic.bytes[worker] == blobs.values.reduce(0) { $0 + Int($1) })
      #expect(Set(traffic.sent.keys.filter { $0.worker == worker }.map(\.digest)) == Set(blobs.keys))
    }
  }

  @Test("A worker that misses rounds is sent the version that it returns to, once, and none of those between")
  func missedRounds() throws {
    let absent: WorkerID = "worker-2"
    let faults = "[{worker: worker-2, round: 2, at: training, kind: partition, for: 1s}]"
    let (traffic, result) = try Self.play("plain", rounds: 16, faults: faults)
    #expect(result.outcome == .completed(16) && traffic.sent.values.allSatisfy { $0 == 1 })
    let all = traffic.bytes["worker-1"] ?? 0, own = traffic.bytes[absent] ?? 0
    let model = all / 17
    #expect(own < all && own % model == 0 && own >= 3 * model)
    let taken = Set(traffic.sent.keys.filter { $0.worker == absent }.map(\.digest))
    #expect(taken.isSubset(of: Set(traffic.offered[absent, default: [:]].keys)))
  }

  /// A step so small that it is lost beside any weight moves the biases alone, which begin at 0.
  @Test("Of a version only those tensors are sent that changed")
  func unchangedTensors() throws {
    let (traffic, result) = try Self.play("plain", rounds: 3, learningRate: "1e-13")
    #expect(result.outcome == .completed(3) && traffic.sent.values.allSatisfy { $0 == 1 })
    let model = (64 * 160 + 160 + 160 * 10 + 10) * 4, biases = (160 + 10) * 4
    #expect(traffic.bytes.count == 6 && traffic.bytes.values.allSatisfy { $0 == model + 3 * biases })
  }
}
