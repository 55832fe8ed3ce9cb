import Federation

/// A set of workers of a roster of `count`: bit i mod 8, least significant first, of byte ⌊i/8⌋.
package struct Bitmap: Hashable, Sendable, CustomStringConvertible {
  /// n, the size of the roster; not the number of members.
  package let count: Int
  /// ⌈n/8⌉ bytes; bits from n on are zero.
  package let bytes: [UInt8]

  /// - Precondition: every member lies in `0..<count`.
  package init(members: some Sequence<Int>, count: Int) {
    var bytes = [UInt8](repeating: 0, count: (count + 7) / 8)
    for member in members {
      precondition((0..<count).contains(member), "a member outside the roster")
      bytes[member >> 3] |= 1 << UInt8(member & 7)
    }
    self.count = count
    self.bytes = bytes
  }

  /// Reads what a peer sent.
  ///
  /// - Throws: `badBitmap` for another length or a bit from n on.
  package init(bytes: [UInt8], count: Int) throws(Refusal) {
    guard count >= 0, bytes.count == (count + 7) / 8 else { throw .badBitmap }
    if let last = bytes.last, count % 8 != 0, last >> UInt8(count % 8) != 0 { throw .badBitmap }
    self.count = count
    self.bytes = bytes
  }

  /// In ascending order.
  package var members: [Int] { (0..<count).filter { contains($0) } }
  package var memberCount: Int { bytes.reduce(0) { $0 + $1.nonzeroBitCount } }
  package var isEmpty: Bool { bytes.allSatisfy { $0 == 0 } }
  /// SHA-256 of the bytes alone: H(U2), H(U3).
  package var digest: Digest { .sha256(of: bytes) }

  package func contains(_ index: Int) -> Bool {
    (0..<count).contains(index) && bytes[index >> 3] >> UInt8(index & 7) & 1 == 1
  }

  package func isSubset(of other: Bitmap) -> Bool {
    count == other.count && zip(bytes, other.bytes).allSatisfy { $0 & ~$1 == 0 }
  }

  package var description: String { "\(memberCount) of \(count)" }
}
