import Aggregation
import Federation
import Testing

@Suite("Robust rules over groups")
struct GroupRulesTests {
  @Test(
    "A version needs most of the groups, and as many as the rule needs",
    arguments: [
      ("median, groups 3", 2), ("median, groups 5", 3), ("median, groups 6", 4),
      ("geometric-median, smoothing 1e-06, iterations 8, groups 9", 5), ("trimmed-mean, trim 0.2, groups 5", 5),
      ("trimmed-mean, trim 0.2, groups 12", 7), ("krum, byzantine 1, groups 7", 5), ("krum, byzantine 1, groups 12", 7),
      ("multi-krum, byzantine 2, keep 6, groups 9", 8),
    ])
  func groupsMin(text: String, needed: Int) throws {
    #expect(try #require(Strategy(parsing: text)?.groupRules).groupsMin == needed)
  }

  @Test("Only robust rules divide a cohort, and only if they are told to", arguments: Strategy.Method.allCases)
  func methods(method: Strategy.Method) {
    var settings: [Strategy.Setting: Double] = [:]
    for (setting, standard) in method.settings where standard == nil && !setting.mayBeMissing {
      settings[setting] = setting == .trim ? 0.25 : 1
    }
    #expect(Strategy(method, settings)?.groupRules == nil)
    let divided = Strategy(method, settings.merging([.groups: 5]) { $1 })
    #expect((divided != nil) == (Strategy(method, settings)?.robustRule != nil))
    #expect(divided?.groupRules?.count == divided.map { _ in 5 })
    for groups in [0, 1, 2, 2.5, 65] { #expect(Strategy(method, settings.merging([.groups: groups]) { $1 }) == nil) }
  }

  @Test(
    "Liars in fewer groups than the rule bears leave the result among the means of the honest groups",
    arguments: [
      (.median, 2), (.trimmedMean(trim: 0.3), 2), (.krum(byzantine: 2), 2), (.multiKrum(byzantine: 2, keep: 3), 2),
    ] as [(RobustRule, Int)])
  func liars(rule: RobustRule, lying: Int) throws {
    var choices = SeededGenerator(seed: 11, stream: "liars")
    for _ in 0..<30 {
      let means = (0..<7).map { group in
        (0..<20).map { _ in
          group < lying ? Float.random(in: -90...90, using: &choices) : .random(in: -1...1, using: &choices)
        }
      }
      let result = try rule.combine(HeldUpdates(values: means, weights: Array(repeating: 4, count: 7)))
      for e in 0..<20 {
        let honest = means.dropFirst(lying).map { $0[e] }
        let (least, largest) = try (#require(honest.min()), #require(honest.max()))
        #expect((least - 1e-6...largest + 1e-6).contains(result[e]))
      }
    }
  }
}
