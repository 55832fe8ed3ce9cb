import Cryptography
import Federation
import GradientKernel
import Hosting
import Inference
import ModelRegistry
import Observability
import Serving
import Tensors

/// Versions to load, and a thread that runs when it is told to.
enum TestModels {
  static let metrics = ServingMetrics(in: MetricsRegistry())

  /// A version whose parameters are those of a function of their index.
  static func version(
    _ number: UInt64, architecture text: String = "features 3 > dense 2 : mean-squared-error", scale: Double = 1,
    parameters: (Int) -> Float = { Float($0) / 8 }
  ) throws -> (manifest: Manifest, artifact: ModelArtifact) {
    let architecture = try ModelArchitecture(parsing: text)
    let set = try ParameterSet(
      layout: architecture.layout, values: (0..<architecture.layout.count).map(parameters))
    let artifact = try ModelArtifact(tensors: set.tensors, model: "m", version: ModelVersion(number))
    let manifest = Manifest(
      federation: "f", model: "m", version: ModelVersion(number), parent: nil, run: "r", round: 0, attempt: 0,
      aggregation: .plain, configurationDigest: nil, cohortSize: 0, parentMetrics: nil, architecture: text,
      dataScale: scale, modelDigest: artifact.modelDigest, tensors: artifact.manifestTensors,
      file: artifact.manifestFile, createdAt: 1, signer: "c")
    return (manifest, artifact)
  }

  /// What one of these models may take, in bytes.
  static var memoryOfOne: Int {
    get throws {
      let architecture = try ModelArchitecture(parsing: "features 3 > dense 2 : mean-squared-error")
      return ServedModel.byteCountMax(of: architecture, sessions: 2)
    }
  }

  static func host(memory: Int = 1 << 30) -> ModelHost {
    ModelHost(options: .init(memoryMax: memory, threads: 2, defaultAliases: [.latest]), metrics: metrics)
  }

  /// Loads a version, and has it answer.
  @discardableResult
  static func serve(
    _ number: UInt64, on host: ModelHost, released: @escaping @Sendable () -> Void = {}
  ) throws -> VersionName {
    let (manifest, artifact) = try version(number)
    let model = try host.load(artifact, manifest: manifest, digest: manifest.modelDigest, released: released)
    host.add(model)
    return model.name
  }

  static func request(_ rows: [[Float]], id: String? = nil) -> InferenceRequest {
    InferenceRequest(
      id: id,
      inputs: [
        InferenceTensor(
          name: "features", datatype: .fp32, shape: [rows.count, rows.first?.count ?? 0],
          content: .floats(rows.flatMap { $0 }))
      ])
  }
}

/// A thread of a test's own: nothing happens until `run`.
final class TestThread: LaneThread {
  var now = MonotonicTime(nanoseconds: 0)
  let unixMilliseconds = 7
  var hasRoomAside = true
  private var soonBodies: [() -> Void] = []
  private var timers: [(at: MonotonicTime, body: () -> Void)] = []
  private(set) var asideWork: [() -> Void] = []

  func soon(_ body: @escaping () -> Void) { soonBodies.append(body) }
  func later(at time: MonotonicTime, _ body: @escaping () -> Void) { timers.append((time, body)) }

  func aside(_ work: @escaping @Sendable () -> [Float], then body: @escaping ([Float]) -> Void) -> Bool {
    guard hasRoomAside else { return false }
    asideWork.append { body(work()) }
    return true
  }

  /// Runs what is due.
  func run() {
    while !soonBodies.isEmpty { soonBodies.removeFirst()() }
    let due = timers.filter { $0.at <= now }
    timers.removeAll { $0.at <= now }
    for timer in due { timer.body() }
    while !soonBodies.isEmpty { soonBodies.removeFirst()() }
  }

  func advance(by duration: Duration) {
    now = now + duration
    run()
  }

  func finishAside() {
    let work = asideWork
    asideWork = []
    for item in work { item() }
    run()
  }
}
