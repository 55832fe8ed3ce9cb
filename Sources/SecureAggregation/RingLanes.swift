import CKernels

#if _endian(big)
  #error("Lanes are kept little-endian in memory: this host is not supported.")
#endif

/// Wrapping arithmetic on the lanes of Z_{2^k}, k = 16, 24, 32 or 64.
///
/// On the wire a lane has k/8 bytes. In memory it has 2, 4, 4 or 8 (`LaneWidth.memoryByteCount`): lanes of 24 bits
/// compute in 32 and drop the upper eight on output. Pointers need no alignment.
enum RingLanes {
  /// `lanes[e] ±= stream[e]`, stream in wire form.
  static func accumulate(
    _ width: LaneWidth, stream: UnsafeRawPointer, into lanes: UnsafeMutableRawPointer, count: Int, isAdded: Bool
  ) {
    accumulator(width, isAdded: isAdded)(count, lanes, stream)
  }

  /// What `accumulate` calls, for loops.
  static func accumulator(_ width: LaneWidth, isAdded: Bool) -> ck_ring_accumulate {
    let table = RingKernels.table
    return switch width {
    case .bits16: isAdded ? table.add16 : table.subtract16
    case .bits24: isAdded ? table.add24 : table.subtract24
    case .bits32: isAdded ? table.add32 : table.subtract32
    case .bits64: isAdded ? table.add64 : table.subtract64
    }
  }

  /// Writes lanes in wire form; for 16, 32 and 64 bits the memory form already is.
  static func pack24(_ lanes: UnsafeRawPointer, into out: UnsafeMutableRawPointer, count: Int) {
    RingKernels.table.pack24(count, lanes, out)
  }

  /// Lane `e` as a two's complement number of k bits.
  @inline(__always)
  static func signed(_ width: LaneWidth, _ lanes: UnsafeRawPointer, at e: Int) -> Int64 {
    switch width {
    case .bits16: Int64(lanes.loadUnaligned(fromByteOffset: 2 * e, as: Int16.self))
    case .bits24: Int64((lanes.loadUnaligned(fromByteOffset: 4 * e, as: Int32.self) << 8) >> 8)
    case .bits32: Int64(lanes.loadUnaligned(fromByteOffset: 4 * e, as: Int32.self))
    case .bits64: lanes.loadUnaligned(fromByteOffset: 8 * e, as: Int64.self)
    }
  }

  /// Stores `value mod 2^k` (24 bits: mod 2^32) as lane `e`.
  @inline(__always)
  static func store(_ width: LaneWidth, _ value: Int64, in lanes: UnsafeMutableRawPointer, at e: Int) {
    switch width {
    case .bits16: lanes.storeBytes(of: UInt16(truncatingIfNeeded: value), toByteOffset: 2 * e, as: UInt16.self)
    case .bits24, .bits32:
      lanes.storeBytes(of: UInt32(truncatingIfNeeded: value), toByteOffset: 4 * e, as: UInt32.self)
    case .bits64: lanes.storeBytes(of: value, toByteOffset: 8 * e, as: Int64.self)
    }
  }
}

/// k: how many bits a lane of the ring has.
package enum LaneWidth: UInt8, Sendable, CaseIterable {
  case bits16 = 16
  case bits24 = 24
  case bits32 = 32
  case bits64 = 64

  package var wireByteCount: Int { Int(rawValue) / 8 }
  package var memoryByteCount: Int { self == .bits24 ? 4 : wireByteCount }
}
