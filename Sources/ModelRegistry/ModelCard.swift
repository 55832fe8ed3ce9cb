import Federation
import Tensors

/// The page about a version for people and for model hubs: YAML front matter as Hugging Face has it, then Markdown.
///
/// It follows from the manifest, byte for byte, so it never travels: whoever has a manifest can write the card, and the
/// model signature covers it. The text is therefore part of the manifest's format 1 and does not change.
package enum ModelCard {
  /// - Parameter digest: of the manifest's bytes.
  package static func text(of manifest: Manifest, digest: Digest) -> String {
    let name = "\(manifest.model)@\(manifest.version)"
    return frontMatter(of: manifest, name: name) + """

      # \(name)

      Version \(manifest.version) of the model `\(manifest.model)`, made by federation `\(manifest.federation)` on \
      \(date(manifest.createdAt)).
      \(origin(of: manifest))

      ## Model

      - Architecture: `\(manifest.architecture)`
      - Parameters: \(parameterCount(manifest)) in \(manifest.tensors.count) tensors
      - Input: every feature is divided by \(CanonicalJSON.decimal(manifest.dataScale)) before it reaches the model, as in \
      training
      - File: `\(VersionFile.model.name)`, \(manifest.file.byteCount) bytes

      ## Federation

      - Run: `\(manifest.run)`, round \(manifest.round), attempt \(manifest.attempt)
      - Aggregation: \(aggregation(manifest.aggregation))
      - Cohort: \(cohort(manifest.cohortSize))
      - Differential privacy: none

      ## Evaluation

      \(evaluation(of: manifest))

      ## Provenance

      - Manifest: `sha256:\(digest)`
      - Parent: \(manifest.parent.map { "`sha256:\($0)`" } ?? "none")
      - Rules of the round: \(manifest.configurationDigest.map { "`sha256:\($0)`" } ?? "none")
      - Model digest: `\(manifest.modelDigest)`
      - File: `sha256:\(manifest.file.digest)`
      - Signed by: `\(manifest.signer)`, in `\(VersionFile.manifestSignature.name)` (Ed25519)

      ## How to verify

      With the federation's public file, everything:

          murmur verify DIR --home HOME

      With the OpenSSF verifier, that the files are those that were signed by the key in `\(VersionFile.signingKey.name)`, \
      which the
      signer endorses in `\(VersionFile.endorsement.name)`:

          model_signing verify key DIR --signature DIR/\(VersionFile.modelSignature.name) \
      --public_key DIR/\(VersionFile.signingKey.name)

      """
  }

  // Texts of a manifest are printable ASCII without `"` and `\`, so that quotes are enough for YAML.
  private static func frontMatter(of manifest: Manifest, name: String) -> String {
    """
    ---
    library_name: murmuration
    tags:
    - federated-learning
    - murmuration
    - safetensors
    model_name: "\(name)"
    \(index(of: manifest, name: name))---

    """
  }

  /// A version's own metrics are measured by the round behind it: what is known here is its parent's.
  private static func index(of manifest: Manifest, name: String) -> String {
    guard let metrics = manifest.parentMetrics, let loss = metrics.loss else { return "" }
    let accuracy = accuracy(metrics, of: manifest).map { "    - type: accuracy\n      value: \(decimal($0))\n" } ?? ""
    return """
      model-index:
      - name: "parent of \(name)"
        results:
        - task:
            type: other
          dataset:
            name: hold-outs of the workers
            type: private
          metrics:
          - type: loss
            value: \(decimal(loss))
      """ + "\n" + accuracy
  }

  private static func origin(of manifest: Manifest) -> String {
    manifest.version == 0
      ? "It is the initial model: nothing has been learnt yet."
      : "It was learnt from its parent in a round of federated learning: the training data never left its owners."
  }

  private static func aggregation(_ mode: AggregationMode) -> String {
    switch mode {
    case .secure: "secure; the coordinator saw the sum of the updates only"
    case .plain: "plain; the coordinator saw every update"
    }
  }

  /// Powers of ten: a page for the world says no more, the exact number is in the manifest for members.
  private static func cohort(_ size: UInt64) -> String {
    switch size {
    case 0: "none"
    case 1: "1 worker"
    case 2...9: "2 to 9 workers"
    case 10...99: "10 to 99 workers"
    case 100...999: "100 to 999 workers"
    default: "1000 workers or more"
    }
  }

  private static func evaluation(of manifest: Manifest) -> String {
    guard let metrics = manifest.parentMetrics, let loss = metrics.loss else {
      return "The parent was not evaluated."
    }
    let accuracy = accuracy(metrics, of: manifest).map { ", accuracy \(decimal($0))" } ?? ""
    return """
      Of the **parent**, over \(metrics.evaluated) examples that its workers hold out: loss \(decimal(loss))\(accuracy).
      The round that trains on this version measures this version.
      """
  }

  /// Nil where outputs are numbers, not classes.
  private static func accuracy(_ metrics: RoundMetrics, of manifest: Manifest) -> Double? {
    manifest.architecture.hasSuffix("mean-squared-error") ? nil : metrics.accuracy
  }

  private static func parameterCount(_ manifest: Manifest) -> UInt64 {
    manifest.tensors.reduce(0) { $0 + $1.byteCount / UInt64($1.dtype.byteCount) }
  }

  /// At most six digits behind the point, as YAML 1.1 reads numbers.
  private static func decimal(_ value: Double) -> String {
    guard value.magnitude < 1e9 else { return CanonicalJSON.decimal(value.rounded()).replacing("e+", with: ".0e+") }
    let millionths = Int64((value.magnitude * 1e6).rounded())
    let digits = "\(millionths % 1_000_000)"
    let fraction = String(repeating: "0", count: 6 - digits.count) + digits
    return "\(value < 0 && millionths > 0 ? "-" : "")\(millionths / 1_000_000).\(fraction)"
  }

  /// `2026-12-01`, in UTC: civil from days (Hinnant, "chrono-compatible low-level date algorithms").
  private static func date(_ seconds: UInt64) -> String {
    let days = seconds / 86_400 + 719_468
    let (era, day) = (days / 146_097, days % 146_097)
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365
    let dayOfYear = day - (365 * year + year / 4 - year / 100)
    let month = (5 * dayOfYear + 2) / 153
    let number = month < 10 ? month + 3 : month - 9
    func padded(_ value: UInt64) -> String { value < 10 ? "0\(value)" : "\(value)" }
    return
      "\(year + era * 400 + (number <= 2 ? 1 : 0))-\(padded(number))-\(padded(dayOfYear - (153 * month + 2) / 5 + 1))"
  }
}
