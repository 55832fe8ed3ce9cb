/// How noise is drawn that workers add to their updates, by its code in a configuration (field 60).
package enum PrivacyMechanism: UInt64, Sendable, CaseIterable {
  /// Canonne, Kamath and Steinke 2020, inside the sum as in Kairouz, Liu and Steinke 2021.
  case discreteGaussian = 1
  /// Agarwal, Kairouz and Liu 2021.
  case skellam = 2

  /// The name in configuration files.
  package var name: String {
    switch self {
    case .discreteGaussian: "discrete-gaussian"
    case .skellam: "skellam"
    }
  }
}
