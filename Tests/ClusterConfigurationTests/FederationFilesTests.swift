import ClusterConfiguration
import Federation
import ModelRegistry
import Testing

@Suite("Federation, scenario and party files")
struct FederationFilesTests {
  @Test("The federation that make run starts is in Cluster/local.yaml")
  func localFederation() throws {
    let local = try LocalFederation.load(path: repository + "/Cluster/local.yaml")
    #expect(local.population.name == "local")
    #expect(local.population.workers == 8)
    #expect(local.population.organisations == 8)
    #expect(local.population.servingNodes == 1)
    #expect(local.population.data.examples.label == "digit")
    #expect(local.population.data.partition == .dirichlet(alpha: 0.5))
    #expect(local.population.data.heldOut == .fraction(0.2))
    #expect(local.run.name == "digits")
    #expect(local.run.aggregation == .secure)
    #expect(local.threads == nil)
    #expect(Set(local.population.workerNames.map(\.organisation)).count == 8)
  }

  @Test("The scenario Simulations/digits.yaml is the same federation with one crash")
  func scenario() throws {
    let scenario = try SimulationScenario.load(path: repository + "/Simulations/digits.yaml")
    let local = try LocalFederation.load(path: repository + "/Cluster/local.yaml")
    #expect(scenario.faults.map(\.worker) == ["worker-8"])
    #expect(scenario.faults.map(\.round) == [3])
    #expect(scenario.faults.map(\.at) == [.maskedInput])
    #expect(scenario.faults.map(\.kind) == [.crash])
    #expect(scenario.network.up == 10_000_000 && scenario.network.down == 10_000_000)
    #expect(scenario.network.latency == .uniform(minimum: .milliseconds(5), maximum: .milliseconds(40)))
    #expect(scenario.run.model == local.run.model)
    #expect(scenario.population.workers == local.population.workers)
  }

  static let federation =
    "name: f\nworkers: 8\norganisations: 4\ndata: {file: /dev/null, label: digit}\nrun:\n" + indented(shortRun)

  @Test(
    "A federation file is refused where its parts do not fit",
    arguments: [
      (
        "workers: 8\norganisations: 4", "workers: 3",
        "f.yaml:17: key 'run.cohort.minimum': found 5, expected at most the 3 workers there are"
      ),
      (
        "organisations: 4", "organisations: 9",
        "f.yaml:3: key 'organisations': found 9, expected an integer from 1 to 8"
      ),
      (
        "/dev/null", "/nowhere/x.csv",
        "f.yaml:4: key 'data.file': found no file at /nowhere/x.csv, expected a file of labelled examples"
      ),
      (
        "label: digit", "labels: digit",
        "f.yaml:4: key 'data.labels': found an unknown key, expected 'label', the nearest known key"
      ),
      (
        "minimum: 5", "minimum: 5\n    minimum-organisations: 6",
        "f.yaml:19: key 'run.cohort.minimum-organisations': found 6, expected at most the 4 organisations there are"
      ),
    ])
  func doesNotFit(_ old: String, _ new: String, _ line: String) throws {
    let text = Self.federation.replacing(old, with: new)
    let error = try #require(throws: ConfigurationError.self) { try LocalFederation.read(file(text, named: "f.yaml")) }
    #expect(error.description == line)
  }

  @Test(
    "A federation file names one partitioner, or none for a skew over labels",
    arguments: [
      ("", .dirichlet(alpha: 0.5)), (", partition: {iid: true}", .iid),
      (", partition: {dirichlet: 2}", .dirichlet(alpha: 2)), (", partition: {shards: 2}", .shards(perPart: 2)),
      (", partition: {quantity: 0.3}", .quantity(alpha: 0.3)), (", partition: {column: ward}", .column("ward")),
    ] as [(String, DataPartition)])
  func partitions(_ text: String, _ expected: DataPartition) throws {
    let federation = Self.federation.replacing("label: digit", with: "label: digit" + text)
    #expect(try LocalFederation.read(file(federation)).population.data.partition == expected)
  }

  @Test(
    "A partition of no partitioner, of several or out of range is refused",
    arguments: [
      (
        "{}",
        "data.partition': found no partitioner, "
          + "expected exactly one of 'iid', 'dirichlet', 'shards', 'quantity' and 'column'"
      ),
      (
        "{shards: 2, iid: true}",
        "data.partition': found 'iid' and 'shards', "
          + "expected exactly one of 'iid', 'dirichlet', 'shards', 'quantity' and 'column'"
      ),
      ("{iid: false}", "data.partition.iid': found false, expected true, or another partitioner"),
      ("{dirichlet: 0}", "data.partition.dirichlet': found 0, expected a number above 0"),
      ("{shards: 0}", "data.partition.shards': found 0, expected an integer from 1 to 10000"),
      ("{quantity: -1}", "data.partition.quantity': found -1, expected a number above 0"),
      ("{column: 3}", "data.partition.column': found 3, expected the name of a column"),
      ("{shard: 2}", "data.partition.shard': found an unknown key, expected 'shards', the nearest known key"),
    ])
  func badPartitions(_ partition: String, _ complaint: String) throws {
    let text = Self.federation.replacing("label: digit", with: "label: digit, partition: \(partition)")
    let error = try #require(throws: ConfigurationError.self) { try LocalFederation.read(file(text, named: "f.yaml")) }
    #expect(error.description == "f.yaml:4: key '" + complaint)
  }

  /// What a federation's data are, in the words of its file after `file`.
  private func plan(_ rest: String) throws(ConfigurationError) -> DataPlan {
    let text = Self.federation.replacing("label: digit", with: rest)
    return try LocalFederation.read(file(text, named: "f.yaml")).population.data
  }

  @Test(
    "Data have a label, targets or sequences",
    arguments: [
      ("label: a", ExampleFile(path: "/dev/null", label: "a")),
      ("label-file: /dev/zero", ExampleFile(path: "/dev/null", labelFile: "/dev/zero")),
      ("target: a, partition: {iid: true}", ExampleFile(path: "/dev/null", targets: ["a"])),
      ("target: [a, \"1\"], partition: {iid: true}", ExampleFile(path: "/dev/null", targets: ["a", "1"])),
      (
        "sequence: 80, vocabulary: /dev/zero, partition: {column: role}",
        ExampleFile(path: "/dev/null", column: "role", sequenceLength: 80, vocabularyFile: "/dev/zero")
      ),
    ])
  func examples(_ text: String, _ expected: ExampleFile) throws {
    #expect(try plan(text).examples == expected)
  }

  @Test(
    "Data are held out at random or at the end, and normalised by what is dealt or by a file",
    arguments: [
      ("label: a", .fraction(0.2), nil), ("label: a, held-out: 0", .fraction(0), nil),
      ("label: a, held-out: {last: 2000}", .last(2000, training: nil), nil),
      ("label: a, held-out: {last: 2000}, training: {first: 8000}", .last(2000, training: 8000), nil),
      ("label: a, normalise: none", .fraction(0.2), nil),
      ("label: a, normalise: standard", .fraction(0.2), .computed(.standard, .feature)),
      ("label: a, normalise: {method: min-max, by: global}", .fraction(0.2), .computed(.minMax, .global)),
      ("label: a, normalise: {file: /dev/zero}", .fraction(0.2), .file("/dev/zero")),
    ] as [(String, HoldOut, NormalisationPlan?)])
  func heldOut(_ text: String, _ heldOut: HoldOut, _ normalisation: NormalisationPlan?) throws {
    let plan = try plan(text)
    #expect(plan.heldOut == heldOut && plan.normalisation == normalisation)
  }

  @Test(
    "Data that contradict themselves are refused with the key and its line",
    arguments: [
      ("seed: 1", "label': found no such key, expected the name of the label's column"),
      ("label: a, target: b", "target': found it beside 'label', expected one of 'label', 'target' and 'sequence'"),
      ("target: []", "target': found a list, expected the name of a column, or a list of different ones"),
      ("target: [a, a]", "target': found a list"), ("target: [a, 1]", "target': found a list"),
      ("label: a, vocabulary: /dev/null", "vocabulary': found it without 'sequence'"),
      ("sequence: 0", "sequence': found 0, expected an integer from 1 to 1048576"),
      ("sequence: 8", "partition': found no such key, expected a mapping of one of 'iid', 'quantity' and 'column'"),
      ("target: a", "partition': found no such key"),
      ("target: a, partition: {shards: 2}", "partition.shards': found data without classes, expected one of 'iid'"),
      ("sequence: 8, partition: {iid: true}, copies: 2", "copies': found it beside 'sequence'"),
      ("sequence: 8, partition: {iid: true}, normalise: standard", "normalise': found it beside 'sequence'"),
      ("sequence: 8, partition: {iid: true}, held-out: {last: 1}", "held-out': found a number of rows of a text"),
      ("label: a, label-file: /nowhere/y", "label-file': found no file at /nowhere/y, expected one"),
      ("sequence: 8, partition: {iid: true}, vocabulary: /nowhere/v", "vocabulary': found no file at /nowhere/v"),
      ("label: a, held-out: 1", "held-out': found 1, expected a number from 0 to below 1, or {last: N}"),
      ("label: a, held-out: {last: -1}", "held-out.last': found -1"),
      ("label: a, training: {first: 5}", "training': found it without 'held-out: {last: N}'"),
      ("label: a, training: {first: 0}, held-out: {last: 1}", "training.first': found 0"),
      ("label: a, normalise: most", "normalise': found \"most\", expected one of"),
      ("label: a, normalise: {by: global}", "normalise.method': found no such key"),
      ("label: a, normalise: {file: /dev/null, by: global}", "normalise.by': found it beside 'file'"),
      ("label: a, normalise: {file: /nowhere/n}", "normalise.file': found no file at /nowhere/n"),
      ("source: mnist", "file': found it beside 'source', expected one of them"),
      ("synthetic: {alpha: 1, beta: 1}", "synthetic': found an unknown key"),
    ])
  func badData(_ text: String, _ complaint: String) throws {
    let error = try #require(throws: ConfigurationError.self) { try plan(text) }
    #expect(error.description.hasPrefix("f.yaml:4: key 'data." + complaint), "\(error)")
  }

  @Test("A source that is unknown is refused with those that are known")
  func unknownSource() throws {
    let text = Self.federation.replacing("file: /dev/null, label: digit", with: "source: imagenet")
    let error = try #require(throws: ConfigurationError.self) { try LocalFederation.read(file(text, named: "f.yaml")) }
    #expect(
      error.description
        == "f.yaml:4: key 'data.source': found 'imagenet', expected one of mnist, mnist10k, shakespeare")
  }

  @Test("What is written into a worker's folder reads back as the same examples")
  func workerTemplate() throws {
    let folder = try TemporaryFolder()
    for examples in [
      ExampleFile(path: "data.csv", label: "say \"x\"\\\n: y"), ExampleFile(path: "data.csv", targets: ["a,b", "1"]),
      ExampleFile(path: "data.txt", column: "role", sequenceLength: 80, vocabularyFile: "vocabulary.json"),
      ExampleFile(path: "x.npy", label: "y", labelFile: "y.npy"),
    ] {
      let text = PartyTemplate.worker(examples, threads: 2).replacing("policy: policy.yaml", with: "policy: {}")
      try folder.write(text, to: "worker.yaml")
      var expected = examples
      expected.path = "\(folder.path)/\(examples.path)"
      expected.labelFile = examples.labelFile.map { "\(folder.path)/\($0)" }
      expected.vocabularyFile = examples.vocabularyFile.map { "\(folder.path)/\($0)" }
      #expect(try WorkerConfiguration.load(path: "\(folder.path)/worker.yaml").examples == expected)
    }
  }

  @Test("A worker's file names labels and normalisation beside its data, seen from its own folder")
  func workerData() throws {
    let folder = try TemporaryFolder()
    try folder.write(
      "data: {file: a.npy, label: y, label-file: b.npy, normalisation: /n.json}\n", to: "worker.yaml")
    let worker = try WorkerConfiguration.load(path: "\(folder.path)/worker.yaml")
    #expect(worker.examples.labelFile == "\(folder.path)/b.npy")
    #expect(worker.normalisationFile == "/n.json")
  }

  @Test(
    "A fault of a stranger, at an unknown point or after the last round is refused",
    arguments: [
      ("worker-9", "3", "unmask", "crash", "faults[0].worker"),
      ("worker-1", "21", "unmask", "crash", "faults[0].round"),
      ("worker-1", "3", "lunch", "crash", "faults[0].at"), ("worker-1", "3", "unmask", "explode", "faults[0].kind"),
    ])
  func badFault(_ worker: String, _ round: String, _ at: String, _ kind: String, _ key: String) throws {
    let text = """
      purpose: A test.
      population: {name: f, workers: 8, data: {file: /dev/null, label: digit}}
      network: {latency: {minimum: 5ms, maximum: 40ms}, bandwidth: 10 MB/s}
      seed: 1
      faults: [{worker: \(worker), round: \(round), at: \(at), kind: \(kind)}]
      expectations: {rounds: 20}
      run:
      \(indented(shortRun))
      """
    let error = try #require(throws: ConfigurationError.self) { try SimulationScenario.read(file(text)) }
    #expect(error.key == key)
    #expect(error.line == 5)
  }

  @Test("Faults last for ever unless they say how long; links neither repeat nor reorder unless the scenario says so")
  func faults() throws {
    let text = """
      purpose: A test.
      population: {name: f, workers: 8, data: {file: /dev/null, label: digit}}
      network: {latency: {minimum: 5ms, maximum: 40ms}, bandwidth: 10 MB/s, duplication: 0.1, reordering: 0.2}
      seed: 1
      faults:
        - {worker: worker-1, round: 3, at: check-shares, kind: crash}
        - {worker: worker-2, round: 4, at: reported, kind: partition, for: 3s}
      expectations: {rounds: 20}
      run:
      \(indented(shortRun))
      """
    let scenario = try SimulationScenario.read(file(text))
    #expect(
      scenario.faults == [
        .init(worker: "worker-1", round: 3, at: .checkShares, kind: .crash, duration: nil),
        .init(worker: "worker-2", round: 4, at: .reported, kind: .partition, duration: .seconds(3)),
      ])
    #expect(scenario.network.loss == 0)
    #expect(scenario.network.duplication == 0.1)
    #expect(scenario.network.reordering == 0.2)
  }

  @Test("A worker without a policy has the standard law, one with a policy file its own")
  func policies() throws {
    let folder = try TemporaryFolder()
    try folder.write("minimum-cohort: 7\nallow-plain: true\nsuites: [aes-256]\n", to: "policy.yaml")
    try folder.write("data: {file: data.csv, label: y}\n", to: "without.yaml")
    try folder.write("data: {file: data.csv, label: y}\npolicy: policy.yaml\n", to: "named.yaml")
    try folder.write("data: {file: /a.csv, label: y}\npolicy: {minimum-cohort: 9}\n", to: "inline.yaml")
    let without = try WorkerConfiguration.load(path: "\(folder.path)/without.yaml")
    let named = try WorkerConfiguration.load(path: "\(folder.path)/named.yaml")
    let inline = try WorkerConfiguration.load(path: "\(folder.path)/inline.yaml")
    #expect(without.policy == .standard)
    #expect(without.examples.path == "\(folder.path)/data.csv")
    #expect(without.stateDirectory == "\(folder.path)/state")
    #expect(named.policy.minimumCohort == 7)
    #expect(named.policy.allowPlain)
    #expect(named.policy.suites == [.aes256])
    #expect(inline.policy.minimumCohort == 9)
    #expect(inline.examples.path == "/a.csv")
  }

  @Test("A policy's text reads back as the policy")
  func policyRoundTrip() throws {
    var policy = WorkerPolicy.standard
    policy.clipMaximum = 2.5
    policy.modes = [.malicious, .semiHonest]
    policy.allowPlain = true
    #expect(try WorkerPolicy.read(file(policy.text)) == policy)
    #expect(try WorkerPolicy.read(file(WorkerPolicy.standard.text)) == .standard)
  }

  @Test(
    "Addresses that no socket can bind are refused",
    arguments: [
      "tcp://127.0.0.1", "tcp://:7700", "tcp://h:0", "tcp://h:65536", "udp://h:1", "ipc://", "tcp://h:+1", "7700",
    ])
  func badAddress(_ address: String) throws {
    let error = try #require(throws: ConfigurationError.self) {
      try CoordinatorConfiguration.read(file("bind: {control: \"\(address)\"}"))
    }
    #expect(error.key == "bind.control")
  }

  @Test("A coordinator's addresses, folders and bounds are read")
  func coordinator() throws {
    let text =
      "bind: {control: \"tcp://*:7700\", bulk: \"tcp://[::1]:*\"}\nbulk-credit: 1 MiB\nuploads-at-once: 2\n"
      + "download-credit: 3 MiB"
    let read = try CoordinatorConfiguration.read(file(text, named: "/home/c/coordinator.yaml"))
    #expect(read.bindControl == "tcp://*:7700")
    #expect(read.bindBulk == "tcp://[::1]:*")
    #expect(read.bindState == nil)
    #expect(read.bulkCredit == 1 << 20)
    #expect(read.uploadsAtOnce == 2)
    #expect(read.downloadCredit == 3 << 20)
    #expect(read.modelDirectory == "/home/c/models")
  }

  @Test("Heartbeats are the coordinator's owner's to choose, within what workers agree to")
  func heartbeats() throws {
    let standard = try CoordinatorConfiguration.read(file("state-directory: state")).heartbeat
    #expect(standard.interval == .milliseconds(500) && standard.missed == 3)
    let chosen = try CoordinatorConfiguration.read(file("heartbeat: {interval: 2s, missed: 5}")).heartbeat
    #expect(chosen.interval == .seconds(2) && chosen.missed == 5)
    let half = try CoordinatorConfiguration.read(file("heartbeat: {missed: 100}")).heartbeat
    #expect(half.interval == .milliseconds(500) && half.missed == 100)
  }

  @Test(
    "Heartbeats that no worker would agree to are refused",
    arguments: [
      ("{interval: 9ms}", "heartbeat.interval"), ("{interval: 61s}", "heartbeat.interval"),
      ("{missed: 1}", "heartbeat.missed"), ("{missed: 101}", "heartbeat.missed"), ("{every: 1s}", "heartbeat.every"),
      ("500ms", "heartbeat"),
    ])
  func badHeartbeats(_ text: String, key: String) throws {
    let error = try #require(throws: ConfigurationError.self) {
      try CoordinatorConfiguration.read(file("heartbeat: \(text)"))
    }
    #expect(error.key == key)
  }

  @Test("An owner's patience with training that stands still is read, a minute without a word")
  func trainingPatience() throws {
    func patience(_ line: String) throws -> Duration {
      try WorkerConfiguration.read(file("data: {file: data.csv, label: digit}\n\(line)")).trainingPatience
    }
    #expect(try patience("") == .seconds(60))
    #expect(try patience("training-patience: 2m") == .seconds(120))
    #expect(throws: ConfigurationError.self) { try patience("training-patience: 500ms") }
  }
}
