/// Why tensors do not make a parameter layout or a parameter set.
package enum TensorError: Error, Equatable, Sendable {
  /// A name that is empty, longer than `ParameterLayout.nameByteCountMax`, or has a character outside printable ASCII.
  case badName(String)
  case duplicateName(String)
  /// A negative dimension, or more elements than `ParameterLayout.elementCountMax` with the tensors before it.
  case badShape(name: String, shape: [Int])
  case tooManyTensors(found: Int, max: Int)
  /// Only F32 tensors are parameters.
  case notF32(name: String, found: DType)
  case wrongByteCount(name: String, expected: Int, found: Int)
  case wrongValueCount(expected: Int, found: Int)
  /// The tensors are those of another model: the first name or shape that differs, nil where one side has no more.
  case layoutMismatch(expected: String?, found: String?)
}

/// The names and shapes of a model's F32 tensors, and where each lies in the update vector.
///
/// Tensors are in the order of their names' bytes, elements of each row-major, one after another: element `i` of every
/// parameter set, client update and masked vector of the model means the same parameter.
package struct ParameterLayout: Hashable, Sendable, CustomStringConvertible {
  /// One tensor of the layout.
  package struct Entry: Hashable, Sendable {
    package let name: String
    package let shape: [Int]
    /// Its elements in the update vector.
    package let range: Range<Int>
  }

  package static let nameByteCountMax = 256
  package static let tensorCountMax = 65_536
  /// 2³² elements are 16 GiB; larger products are refused before anything is allocated.
  package static let elementCountMax = 1 << 32

  /// In the order of the names' bytes.
  package let entries: [Entry]
  /// d: elements of the update vector.
  package let count: Int

  /// The layout of these tensors, given in any order.
  package init(_ tensors: [(name: String, shape: [Int])]) throws(TensorError) {
    guard tensors.count <= Self.tensorCountMax else {
      throw .tooManyTensors(found: tensors.count, max: Self.tensorCountMax)
    }
    for (name, _) in tensors where !Self.isValid(name: name) { throw .badName(name) }
    var entries: [Entry] = []
    entries.reserveCapacity(tensors.count)
    var end = 0
    for (name, shape) in tensors.sorted(by: { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }) {
      guard entries.last?.name != name else { throw .duplicateName(name) }
      guard let elements = elementCount(ofShape: shape), elements <= Self.elementCountMax - end else {
        throw .badShape(name: name, shape: shape)
      }
      entries.append(Entry(name: name, shape: shape, range: end..<end + elements))
      end += elements
    }
    self.entries = entries
    count = end
  }

  /// The tensor of a name; nil if the model has none.
  package subscript(name: String) -> Entry? {
    var low = 0
    var high = entries.count
    while low < high {
      let middle = (low + high) / 2
      if entries[middle].name.utf8.lexicographicallyPrecedes(name.utf8) { low = middle + 1 } else { high = middle }
    }
    return low < entries.count && entries[low].name == name ? entries[low] : nil
  }

  package var description: String {
    entries.map { "\($0.name)[\($0.shape.map(String.init).joined(separator: ","))]" }.joined(separator: " ")
  }

  /// Names become manifest keys, log fields and parts of digests, so they are printable ASCII without look-alikes.
  private static func isValid(name: String) -> Bool {
    !name.isEmpty && name.utf8.count <= nameByteCountMax && name.utf8.allSatisfy { (0x20...0x7E).contains($0) }
      && name != Safetensors.metadataKey
  }
}
