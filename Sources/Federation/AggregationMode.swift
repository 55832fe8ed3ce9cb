/// How the coordinator gets the sum of the updates.
package enum AggregationMode: String, Sendable, CaseIterable, Codable {
  /// It sees sums only (protocol SA1).
  case secure
  /// It sees every update; the run has to ask for it and every worker's own policy has to allow it.
  case plain

  /// The mode in canonical bytes and on the wire.
  package var code: UInt8 { self == .secure ? 0 : 1 }
}
