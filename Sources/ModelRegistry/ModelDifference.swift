import Federation
import Tensors

/// How two versions differ, tensor by tensor, without telling a weight.
package struct ModelDifference: Hashable, Sendable {
  package enum Tensor: Hashable, Sendable {
    case same
    /// Numbers of the same shape that differ.
    case changed(Change)
    /// Bytes differ, and either the shape or the type does, or the type has no numbers that are compared here (all but
    /// F32 and F64).
    case replaced
    /// Only the second version has it.
    case added
    /// Only the first version has it.
    case removed
  }

  /// Of `b − a`.
  package struct Change: Hashable, Sendable {
    /// ‖b − a‖; not finite if a weight is not.
    package let norm: Double
    /// ‖b − a‖ / ‖a‖; nil where ‖a‖ is 0.
    package let relative: Double?
    /// The largest |b − a|.
    package let largest: Double
    /// Elements that differ.
    package let count: Int
    package let elements: Int
  }

  /// A member of the manifests that differs; nil where one does not have it.
  package struct Fact: Hashable, Sendable {
    package let name: String
    package let first: String?
    package let second: String?
  }

  package struct Row: Hashable, Sendable {
    package let name: String
    package let difference: Tensor
  }

  /// Sorted by name.
  package let tensors: [Row]
  package let facts: [Fact]
  /// Over all numbers that are in both; nil if there are none that differ.
  package let total: Change?

  /// - Parameters:
  ///   - first: a manifest with the tensors that it states, verified.
  ///   - second: likewise.
  package init(
    from first: (manifest: Manifest, tensors: [NamedTensor]), to second: (manifest: Manifest, tensors: [NamedTensor])
  ) {
    var sums = Sums()
    let (a, b) = (Self.byName(first.tensors), Self.byName(second.tensors))
    tensors = Set(a.keys).union(b.keys).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }.map { name in
      Row(name: name, difference: Self.compare(a[name], b[name], into: &sums))
    }
    total = sums.count > 0 ? sums.change : nil
    facts = Self.facts(first.manifest, second.manifest)
  }

  private static func byName(_ tensors: [NamedTensor]) -> [String: NamedTensor] {
    Dictionary(tensors.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
  }

  private static func compare(_ a: NamedTensor?, _ b: NamedTensor?, into total: inout Sums) -> Tensor {
    guard let a else { return .added }
    guard let b else { return .removed }
    guard a.dtype == b.dtype, a.shape == b.shape else { return .replaced }
    guard let from = numbers(a), let to = numbers(b) else { return a.bytes == b.bytes ? .same : .replaced }
    var sums = Sums()
    for (x, y) in zip(from, to) { sums.add(x, y) }
    total.add(sums)
    return a.bytes == b.bytes ? .same : .changed(sums.change)
  }

  private static func numbers(_ tensor: NamedTensor) -> [Double]? {
    tensor.bytes.withUnsafeBytes { raw -> [Double]? in
      switch tensor.dtype {
      case .f32:
        (0..<raw.count / 4).map { i in
          Double(Float(bitPattern: UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: 4 * i, as: UInt32.self))))
        }
      case .f64:
        (0..<raw.count / 8).map { i in
          Double(bitPattern: UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: 8 * i, as: UInt64.self)))
        }
      case .bool, .u8, .i8, .i16, .u16, .f16, .bf16, .i32, .u32, .i64, .u64: nil
      }
    }
  }

  private struct Sums {
    var squaredDifference = 0.0
    var squaredBase = 0.0
    var largest = 0.0
    var count = 0
    var elements = 0

    mutating func add(_ from: Double, _ to: Double) {
      let difference = to - from
      squaredDifference += difference * difference
      squaredBase += from * from
      largest = max(largest, difference.magnitude)
      if from != to { count += 1 }
      elements += 1
    }

    mutating func add(_ other: Sums) {
      squaredDifference += other.squaredDifference
      squaredBase += other.squaredBase
      largest = max(largest, other.largest)
      count += other.count
      elements += other.elements
    }

    var change: Change {
      Change(
        norm: squaredDifference.squareRoot(),
        relative: squaredBase > 0 ? (squaredDifference / squaredBase).squareRoot() : nil, largest: largest,
        count: count, elements: elements)
    }
  }

  private static func facts(_ a: Manifest, _ b: Manifest) -> [Fact] {
    let (first, second) = (members(a), members(b))
    return zip(first, second).compactMap { first, second in
      first.value == second.value ? nil : Fact(name: first.name, first: first.value, second: second.value)
    }
  }

  private static func members(_ manifest: Manifest) -> [(name: String, value: String?)] {
    [
      ("federation", manifest.federation.text), ("model", manifest.model.text), ("version", "\(manifest.version)"),
      ("parent", manifest.parent?.hex), ("run", manifest.run.text), ("round", "\(manifest.round)"),
      ("attempt", "\(manifest.attempt)"), ("aggregation", manifest.aggregation.rawValue),
      ("configuration", manifest.configurationDigest?.hex), ("cohort size", "\(manifest.cohortSize)"),
      ("loss of the parent", manifest.parentMetrics?.loss.map { CanonicalJSON.decimal($0) }),
      ("accuracy of the parent", manifest.parentMetrics?.accuracy.map { CanonicalJSON.decimal($0) }),
      ("architecture", manifest.architecture), ("data scale", CanonicalJSON.decimal(manifest.dataScale)),
      ("model digest", manifest.modelDigest.hex), ("file", "\(manifest.file.byteCount) bytes"),
      ("created at", "\(manifest.createdAt)"), ("signer", manifest.signer.text),
    ]
  }
}
