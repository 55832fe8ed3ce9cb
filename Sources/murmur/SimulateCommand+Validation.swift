import ArgumentParser

/// Which options of `murmur simulate` go together.
extension SimulateCommand {
  func validate() throws {
    try validateOptionsOfOneKind()
    try exclude("--central", central, "it has neither a network nor events")
    try exclude("--calibrate", calibrate, "it simulates nothing")
    try exclude("--sweep", !sweep.isEmpty, "it is for many simulations")
    try exclude("--seeds", seeds != nil && sweep.isEmpty, "it is for many simulations")
    try exclude("--minimize", minimize, "it is for one seed that fails, again and again")
    if calibrate, central { throw ValidationError("--calibrate excludes --central: each measures something else") }
    if seeds != nil, seed != nil { throw ValidationError("--seeds excludes --seed") }
    if trace != nil, output.json { throw ValidationError("--trace excludes --json: it is a text") }
    if let trace, trace < 1 { throw ValidationError("--trace: found \(trace), expected a round, from 1") }
    try validateSweep()
  }

  private func validateOptionsOfOneKind() throws {
    for (name, value, most) in [("--epochs", epochs, 1_000_000), ("--threads", threads, 1024)] {
      guard let value else { continue }
      guard central else { throw ValidationError("\(name) is for --central") }
      guard (1...most).contains(value) else { throw ValidationError("\(name): found \(value), expected 1 to \(most)") }
    }
    if let jobs {
      guard seeds != nil || !sweep.isEmpty else { throw ValidationError("--jobs is for --seeds and --sweep") }
      guard (1...1024).contains(jobs) else { throw ValidationError("--jobs: found \(jobs), expected 1 to 1024") }
    }
    guard outputFolder == nil || !sweep.isEmpty || minimize else {
      throw ValidationError("--output is for --sweep and --minimize")
    }
    guard failureFolder == nil || seeds != nil && sweep.isEmpty else {
      throw ValidationError("--file-failures is for --seeds without --sweep")
    }
  }

  private func exclude(_ name: String, _ isGiven: Bool, _ reason: String) throws {
    guard isGiven else { return }
    var others = [("--log", log != nil), ("--report", report != nil), ("--trace", trace != nil)]
    if name != "--sweep" { others += [("--until", until != nil)] }
    if name == "--minimize" { others += [("--central", central), ("--calibrate", calibrate)] }
    if central || calibrate || name == "--minimize" {
      others += [("--seeds", seeds != nil), ("--sweep", !sweep.isEmpty)]
    }
    guard let other = others.first(where: \.1) else { return }
    throw ValidationError("\(name) excludes \(other.0): \(reason)")
  }

  private func validateSweep() throws {
    for (index, axis) in sweep.enumerated() {
      if sweep[..<index].contains(where: { $0.key == axis.key }) {
        throw ValidationError("--sweep \(axis.key): found it twice, expected each key once")
      }
      if changes.contains(where: { $0.key == axis.key }) {
        throw ValidationError("--sweep \(axis.key): found it in --set too, expected one of them")
      }
    }
  }
}
