import Federation
import Rounds
import SecureAggregation

/// Everything that is signed or hashed and read from a peer's bytes: the first byte chooses the form, the rest is it.
///
/// Claim: a canonical form has one writing. What was read is written as the very bytes that were read.
enum CanonicalForms {
  static func check(_ bytes: [UInt8]) throws(Finding) {
    var input = FuzzInput(bytes)
    switch input.below(4) {
    case 0:
      try same("configuration", input.rest()) { bytes in
        (try? RoundConfiguration(canonicalBytes: bytes))?.canonicalBytes
      }
    case 1:
      try same("certificate", input.rest()) { bytes in (try? Certificate(canonicalBytes: bytes))?.canonicalBytes }
    case 2: try same("share bundle", input.rest()) { bytes in (try? ShareBundle(bodyBytes: bytes))?.bodyBytes }
    default: try bitmap(&input)
    }
  }

  private static func same(_ form: String, _ bytes: [UInt8], _ rewrite: ([UInt8]) -> [UInt8]?) throws(Finding) {
    guard let written = rewrite(bytes) else { return }
    try Finding.unless(written == bytes, "a \(form) has two writings")
  }

  private static func bitmap(_ input: inout FuzzInput) throws(Finding) {
    let count = input.below(10_001)
    let bytes = input.rest()
    guard let bitmap = try? Bitmap(bytes: bytes, count: count) else { return }
    try Finding.unless(
      Bitmap(members: bitmap.members, count: count).bytes == bytes, "a bitmap has two writings")
    try Finding.unless(bitmap.members.count == bitmap.memberCount, "a bitmap counts other members than it lists")
  }
}
