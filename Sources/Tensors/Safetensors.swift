/// The safetensors format (github.com/huggingface/safetensors): a JSON header of names, types, shapes and offsets,
/// then the tensors' bytes.
///
/// The writer is deterministic: the same tensors and metadata give the same bytes, whatever their order, and the same
/// bytes as the upstream writer for at most one metadata key (upstream writes more of them in random order).
package enum Safetensors {
  /// Upstream's limit on the header.
  package static let headerByteCountMax = 100_000_000
  package static let tensorCountMax = ParameterLayout.tensorCountMax
  /// The rank of a tensor is one byte in a model digest.
  package static let rankMax = 255
  static let metadataKey = "__metadata__"

  // MARK: Writing

  /// The file of these tensors: highest element type first, then by name; header padded with spaces to a multiple of 8.
  ///
  /// - Throws: `SafetensorsError.duplicateKey`, `.reservedName`, `.badShape`, `.sizeOverflow`, `.wrongByteCount`,
  ///   `.rankTooLarge`, `.tooManyTensors` or `.headerTooLarge`: whatever `decode` would refuse is not written.
  package static func encode(
    _ tensors: [NamedTensor], metadata: [String: String] = [:]
  ) throws(SafetensorsError) -> [UInt8] {
    guard tensors.count <= tensorCountMax else { throw .tooManyTensors(max: tensorCountMax) }
    var names: Set<[UInt8]> = []
    for tensor in tensors {
      guard tensor.name != metadataKey else { throw .reservedName(tensor.name) }
      guard names.insert(Array(tensor.name.utf8)).inserted else { throw .duplicateKey(tensor.name) }
      guard tensor.shape.allSatisfy({ $0 >= 0 }) else { throw .badShape(tensor: tensor.name) }
      let expected = try byteCount(of: tensor.name, dtype: tensor.dtype, shape: tensor.shape)
      guard tensor.bytes.count == expected else {
        throw .wrongByteCount(tensor: tensor.name, expected: expected, found: tensor.bytes.count)
      }
    }
    let places = tensors.map { Place(name: $0.name, dtype: $0.dtype, shape: $0.shape, byteCount: $0.bytes.count) }
    let (head, order) = head(of: places, metadata: metadata)
    guard head.count - 8 <= headerByteCountMax else {
      throw .headerTooLarge(found: UInt64(head.count - 8), max: headerByteCountMax)
    }
    var out: [UInt8] = []
    out.reserveCapacity(head.count + tensors.reduce(0) { $0 + $1.bytes.count })
    out.append(contentsOf: head)
    for index in order { out.append(contentsOf: tensors[index].bytes) }
    return out
  }

  /// A tensor without its bytes.
  package struct Place: Hashable, Sendable {
    package let name: String
    package let dtype: DType
    package let shape: [Int]
    package let byteCount: Int

    package init(name: String, dtype: DType, shape: [Int], byteCount: Int) {
      self.name = name
      self.dtype = dtype
      self.shape = shape
      self.byteCount = byteCount
    }
  }

  /// What stands before the tensors' bytes in the file of these tensors, and the order in which their bytes follow.
  package static func head(of places: [Place], metadata: [String: String]) -> (bytes: [UInt8], order: [Int]) {
    let order = places.indices.sorted { i, j in
      let (a, b) = (places[i], places[j])
      return a.dtype == b.dtype
        ? a.name.utf8.lexicographicallyPrecedes(b.name.utf8) : a.dtype.fileRank > b.dtype.fileRank
    }
    let header = header(of: order.map { places[$0] }, metadata: metadata)
    return (withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) } + header, order)
  }

  private static func header(of ordered: [Place], metadata: [String: String]) -> [UInt8] {
    var text = JSONText()
    text.raw("{")
    var isFirst = true
    if !metadata.isEmpty {
      text.string(metadataKey)
      text.raw(":{")
      let pairs = metadata.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
      for (i, pair) in pairs.enumerated() {
        if i > 0 { text.raw(",") }
        text.string(pair.key)
        text.raw(":")
        text.string(pair.value)
      }
      text.raw("}")
      isFirst = false
    }
    var begin = 0
    for tensor in ordered {
      let end = begin + tensor.byteCount
      if !isFirst { text.raw(",") }
      isFirst = false
      text.string(tensor.name)
      text.raw(":{\"dtype\":\"\(tensor.dtype.rawValue)\",\"shape\":[")
      text.raw(tensor.shape.map(String.init).joined(separator: ","))
      text.raw("],\"data_offsets\":[\(begin),\(end)]}")
      begin = end
    }
    text.raw("}")
    while text.bytes.count % 8 != 0 { text.raw(" ") }
    return text.bytes
  }

  // MARK: Reading

  /// Reads a file that may come from anyone. Nothing is allocated before its size is known to be in the file.
  package static func decode(_ file: [UInt8]) throws(SafetensorsError) -> SafetensorsFile {
    let bufferStart = 8 + (try headerByteCount(file.prefix(8), fileByteCount: file.count))
    let index = try index(header: file[8..<bufferStart], fileByteCount: file.count)
    let tensors = index.entries.map { entry in
      NamedTensor(name: entry.name, dtype: entry.dtype, shape: entry.shape, bytes: Array(file[entry.range]))
    }
    return SafetensorsFile(metadata: index.metadata, tensors: tensors)
  }

  /// Bytes of the header, which stands behind the first eight bytes of a file.
  ///
  /// - Parameter first: those eight, or what there is of them.
  package static func headerByteCount(
    _ first: some Collection<UInt8>, fileByteCount: Int
  ) throws(SafetensorsError) -> Int {
    guard first.count == 8, fileByteCount >= 8 else { throw .headerTooShort(found: fileByteCount) }
    let announced = first.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    guard announced <= UInt64(headerByteCountMax) else {
      throw .headerTooLarge(found: announced, max: headerByteCountMax)
    }
    guard 8 + Int(announced) <= fileByteCount else {
      throw .headerPassesEnd(headerByteCount: Int(announced), available: fileByteCount - 8)
    }
    return Int(announced)
  }

  /// Where the tensors of a file are, in the order of their bytes, which cover all behind the header.
  package static func index(
    header: some Collection<UInt8>, fileByteCount: Int
  ) throws(SafetensorsError) -> (metadata: [String: String], entries: [SafetensorsPlace]) {
    let bufferStart = 8 + header.count
    guard header.first == UInt8(ascii: "{") else { throw .headerDoesNotStartWithBrace(found: header.first) }
    var parser = SafetensorsHeaderParser(Array(header))
    var (metadata, entries) = try parser.parse()

    // Contiguous from 0 to the end of the file, in the order of the offsets: no holes, no overlap.
    entries.sort { ($0.begin, $0.end) < ($1.begin, $1.end) }
    var expectedBegin = 0
    for entry in entries {
      guard entry.begin == expectedBegin, entry.end >= entry.begin else {
        throw .badOffsets(tensor: entry.name, expectedBegin: expectedBegin, begin: entry.begin, end: entry.end)
      }
      let expected = try byteCount(of: entry.name, dtype: entry.dtype, shape: entry.shape)
      guard entry.end - entry.begin == expected else {
        throw .wrongByteCount(tensor: entry.name, expected: expected, found: entry.end - entry.begin)
      }
      expectedBegin = entry.end
    }
    guard expectedBegin == fileByteCount - bufferStart else {
      throw .wrongBufferLength(expected: expectedBegin, found: fileByteCount - bufferStart)
    }
    let places = entries.map { entry in
      SafetensorsPlace(
        name: entry.name, dtype: entry.dtype, shape: entry.shape,
        range: bufferStart + entry.begin..<bufferStart + entry.end)
    }
    return (metadata, places)
  }

  /// Bytes that a tensor takes in the file.
  private static func byteCount(
    of name: String, dtype: DType, shape: [Int]
  ) throws(SafetensorsError) -> Int {
    guard shape.count <= rankMax else { throw .rankTooLarge(tensor: name, max: rankMax) }
    guard let elements = elementCount(ofShape: shape) else { throw .sizeOverflow(tensor: name) }
    let (bytes, overflow) = elements.multipliedReportingOverflow(by: dtype.byteCount)
    guard !overflow else { throw .sizeOverflow(tensor: name) }
    return bytes
  }
}

/// Writes JSON as serde_json does: no blanks, short escapes, everything else in UTF-8.
private struct JSONText {
  var bytes: [UInt8] = []

  mutating func raw(_ text: String) { bytes.append(contentsOf: text.utf8) }

  mutating func string(_ text: String) {
    raw("\"")
    for byte in text.utf8 {
      switch byte {
      case 0x22: raw("\\\"")
      case 0x5C: raw("\\\\")
      case 0x08: raw("\\b")
      case 0x09: raw("\\t")
      case 0x0A: raw("\\n")
      case 0x0C: raw("\\f")
      case 0x0D: raw("\\r")
      case 0..<0x20: raw("\\u00" + (byte < 16 ? "0" : "") + String(byte, radix: 16))
      default: bytes.append(byte)
      }
    }
    raw("\"")
  }
}
