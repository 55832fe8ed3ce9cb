import Federation

/// The configuration files that `murmur init` puts into the folders of a new federation.
package enum PartyTemplate {
  static let coordinator = """
    # What the coordinator's owner decides. Addresses and members are in the file "federation" beside this one.
    # Add "bind: {control: tcp://0.0.0.0:7700}" where the address to bind differs from the one to connect to.
    state-directory: state
    model-directory: models
    # Bytes of uploads, and of models sent to workers, that may be on their way at once.
    bulk-credit: 64 MiB
    download-credit: 32 MiB
    uploads-at-once: 16
    # Both sides speak at least this often; after so many intervals of silence the other one is lost.
    heartbeat: {interval: 500ms, missed: 3}
    # Metrics for Prometheus, and health; "access.yaml" beside this file says who may read them.
    http: {bind: "127.0.0.1:8090"}

    """

  static let serving = """
    # What the owner of this serving node decides.
    model-directory: models
    # Predictions for clients of the Open Inference Protocol. Beyond this machine it takes "tls: {certificate, key}" and
    # an "access.yaml" beside this file, which says who may do what.
    http: {bind: "127.0.0.1:8080"}
    inference: {batch-rows: 64, deadline: 1s, memory: 2 GiB}

    """

  /// The text of a worker's `worker.yaml`.
  package static func worker(_ examples: ExampleFile, threads: Int?) -> String {
    var data = [("file", quoted(examples.path))]
    if let label = examples.label { data.append(("label", quoted(label))) }
    if !examples.targets.isEmpty {
      data.append(("target", "[" + examples.targets.map(quoted).joined(separator: ", ") + "]"))
    }
    if let labelFile = examples.labelFile { data.append(("label-file", quoted(labelFile))) }
    if let column = examples.column { data.append(("column", quoted(column))) }
    if let length = examples.sequenceLength { data.append(("sequence", "\(length)")) }
    if let vocabulary = examples.vocabularyFile { data.append(("vocabulary", quoted(vocabulary))) }
    return """
      # What the owner of this worker's data decides; the worker's law is in policy.yaml.
      data:
      \(data.map { "  \($0.0): \($0.1)" }.joined(separator: "\n"))
      policy: policy.yaml
      state-directory: state
      \(threads.map { "threads: \($0)\n" } ?? "")
      """
  }

  /// A text as YAML in double quotes (YAML 1.2, 7.3.1).
  private static func quoted(_ text: String) -> String {
    let escapes: [Character: String] = [
      "\\": "\\\\", "\"": "\\\"", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\r\n": "\\r\\n",
    ]
    return "\"" + text.map { escapes[$0] ?? String($0) }.joined() + "\""
  }

  static let run = """
    # An example of a run: eight-by-eight images of digits, as in Simulations/Data.
    name: digits
    model:
      name: digits
      architecture: mlp 64-128-10
      seed: 1
    data:
      features: 64
      classes: 10
      scale: 16
    rounds: 20
    training:
      learning-rate: 0.1
      local-epochs: 2
      batch-size: 16
    clip: 4
    maximum-weight: 1024
    cohort:
      minimum: 5
      minimum-organisations: 3
      organisation-cap: 1/3
      minimum-honest-sum: 3
    deadlines:
      input: 60s
    seed: 1

    """
}
