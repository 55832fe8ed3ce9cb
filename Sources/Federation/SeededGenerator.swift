/// SplitMix64 (Steele, Lea, Flood 2014): the generator behind every *choice* (selection, shuffling, initial weights).
///
/// The same seed gives the same choices on every machine. Never a source of secrets.
package struct SeededGenerator: RandomNumberGenerator, Sendable {
  private var state: UInt64

  package init(seed: UInt64) { state = seed }

  /// An independent stream of the same seed, by what it is for.
  package init(seed: UInt64, stream: String) {
    // FNV-1a over the purpose: streams must differ, nothing more.
    let mixed = stream.utf8.reduce(UInt64(0xcbf2_9ce4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    self.init(seed: seed ^ mixed)
  }

  package mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
