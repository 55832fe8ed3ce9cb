import ClusterConfiguration
import Federation
import Rounds
import SecureAggregation

/// What a run comes to, in the lines that `up`, `simulate` and `run submit` print before it begins.
enum ForecastText {
  /// - Parameter examples: whether the number behind the error is known or assumed.
  static func lines(_ forecast: RunForecast?, run: RunConfiguration, examplesAreKnown: Bool) -> [String] {
    guard let forecast else { return ["plain aggregation: the coordinator sees every update; 4 bytes a parameter"] }
    let t = forecast.thresholds
    let divided = run.strategy.groups.map { "\($0) groups, each " } ?? ""
    return [
      "\(divided)secure with \(t.rosterCount) workers of \(forecast.organisationCount) organisations: n_C = \(t.corruptionBound), "
        + "t = \(t.threshold), Q = \(t.quorum); at least \(t.smallestSurvivorSet) updates in a sum, tolerated dropouts "
        + "\(t.toleratedDropouts), safe for any dropouts \(t.safeForAnyDropouts)",
      "encoding \(run.encoding.rawValue): \(forecast.bytesPerParameter) bytes a parameter, predicted L2 error of the "
        + "average \(scientific(forecast.relativeError)) x clip"
        + (examplesAreKnown ? "" : " (taking workers to weigh a quarter of maximum-weight)"),
    ]
  }

  /// Two digits and a power of ten: `1.2e-5`.
  static func scientific(_ value: Double) -> String {
    guard value > 0, value.isFinite else { return "\(value)" }
    var mantissa = value
    var exponent = 0
    while mantissa >= 9.95 {
      mantissa /= 10
      exponent += 1
    }
    while mantissa < 0.995 {
      mantissa *= 10
      exponent -= 1
    }
    return "\(Readable.decimal(mantissa, 1))e\(exponent)"
  }
}

/// The JSON form of a forecast.
struct ForecastResult: Encodable {
  let workers: Int
  let corruptionBound: Int
  let threshold: Int
  let quorum: Int
  let smallestSurvivorSet: Int
  let toleratedDropouts: Int
  let safeForAnyDropouts: Int
  let bytesPerParameter: Int
  let relativeError: Double

  init(_ forecast: RunForecast) {
    let t = forecast.thresholds
    workers = t.rosterCount
    corruptionBound = t.corruptionBound
    threshold = t.threshold
    quorum = t.quorum
    smallestSurvivorSet = t.smallestSurvivorSet
    toleratedDropouts = t.toleratedDropouts
    safeForAnyDropouts = t.safeForAnyDropouts
    bytesPerParameter = forecast.bytesPerParameter
    relativeError = forecast.relativeError
  }
}
