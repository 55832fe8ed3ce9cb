import Federation

/// The configuration files that `murmur init` puts into the folders of a new federation.
package enum PartyTemplate {
  static let coordinator = """
    # What the coordinator's owner decides. Addresses and members are in the file "federation" beside this one.
    # Add "bind: {control: tcp://0.0.0.0:7700}" where the address to bind differs from the one to connect to.
    state-directory: state
    model-directory: models
    bulk-credit: 64 MiB
    uploads-at-once: 16

    """

  static let serving = """
    # What the owner of this serving node decides.
    model-directory: models

    """

  /// The text of a worker's `worker.yaml`.
  package static func worker(dataFile: String, label: String, threads: Int?) -> String {
    """
    # What the owner of this worker's data decides; the worker's law is in policy.yaml.
    data:
      file: "\(dataFile)"
      label: "\(label)"
    policy: policy.yaml
    state-directory: state
    \(threads.map { "threads: \($0)\n" } ?? "")
    """
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
