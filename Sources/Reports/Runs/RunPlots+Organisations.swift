/// Who took part.
extension RunPlots {
  /// Organisations that can have a row each.
  static let organisationRowsMax = 40

  /// How often the workers of one organisation were asked, and how often they reported.
  struct OrganisationCount: Hashable {
    let name: String
    var selected = 0
    var reported = 0
  }

  static func organisations(of history: RunHistory) -> [OrganisationCount] {
    var counts = history.organisations.map { OrganisationCount(name: $0) }
    for attempt in history.attempts where attempt.outcome != .evaluated {
      for part in attempt.participation where counts.indices.contains(part.organisation) {
        counts[part.organisation].selected += part.selected
        counts[part.organisation].reported += part.reported
      }
    }
    return counts
  }

  /// Nil if nobody was asked, or it is not known who.
  func organisations() -> Plot? {
    let counts = Self.organisations(of: history)
    guard counts.contains(where: { $0.selected > 0 }) else { return nil }
    return counts.count <= Self.organisationRowsMax ? rows(counts) : spread(counts)
  }

  private func rows(_ counts: [OrganisationCount]) -> Plot {
    Plot(
      name: "organisations", title: "Participation by organisation",
      x: .linear(
        "updates asked for, all attempts", around: counts.map { Double($0.selected) }, includesZero: true, isWhole: true
      ),
      y: .categories("", counts.map { Self.shortened($0.name) }),
      marks: [
        .bars(
          Plot.Bars(
            positions: counts.indices.map(Double.init), width: 0.72,
            layers: [
              Plot.Layer(label: "reported", values: counts.map { Double($0.reported) }, colour: Ink.blue),
              Plot.Layer(
                label: "not reported", values: counts.map { Double($0.selected - $0.reported) }, colour: Ink.orange),
            ], isHorizontal: true))
      ], height: 76 + 18 * Double(max(4, counts.count)))
  }

  /// Of many organisations: how many took part how often.
  private func spread(_ counts: [OrganisationCount]) -> Plot {
    let most = counts.map(\.reported).max() ?? 0
    let size = max(1, (most + 40) / 40)
    var bins = Array(repeating: 0.0, count: most / size + 1)
    for count in counts { bins[count.reported / size] += 1 }
    let positions = bins.indices.map { Double($0 * size) + Double(size - 1) / 2 }
    return Plot(
      name: "organisations", title: "Organisations by the number of their updates",
      x: .fitted(
        "updates of an organisation in a sum", from: -0.5, to: Double(most) + Double(size) / 2, isWhole: true),
      y: .linear("organisations", around: bins, includesZero: true, isWhole: true),
      marks: [
        .bars(
          Plot.Bars(
            positions: positions, width: 0.86 * Double(size),
            layers: [Plot.Layer(label: "", values: bins, colour: Ink.blue)]))
      ])
  }

  static func shortened(_ name: String) -> String { name.count > 24 ? name.prefix(23) + "…" : name }
}
