/// An array of numbers in a data file: shape, element type, and where its elements stand.
///
/// Whoever makes one has compared the shape with the bytes that are there.
struct NumericArray {
  enum Element: String {
    case u8, i8, i16, i32, i64, f32, f64

    var byteCount: Int {
      switch self {
      case .u8, .i8: 1
      case .i16: 2
      case .i32, .f32: 4
      case .i64, .f64: 8
      }
    }
  }

  /// How the array is called in errors: `images.npy`, or `digits.npz: array x`.
  let place: String
  let element: Element
  let isBigEndian: Bool
  /// Row-major; every dimension is at least 0.
  let shape: [Int]
  private let file: FileBytes
  /// Of the first element.
  private let offset: Int

  /// Examples: the first dimension.
  var rowCount: Int { shape.first ?? 1 }

  /// Elements of one example: the product of the other dimensions.
  let rowLength: Int

  /// - Throws: `DatasetError.badFile` unless the elements of the shape are exactly the `byteCount` bytes from `offset`.
  init(
    place: String, element: Element, isBigEndian: Bool, shape: [Int], in file: FileBytes, at offset: Int,
    byteCount: Int
  ) throws(DatasetError) {
    precondition(offset >= 0 && byteCount >= 0 && byteCount <= file.count - offset, "the elements are in the file")
    // The others first: 0 examples must not hide an overflow.
    var (rowLength, expected) = (1, element.byteCount)
    for (axis, dimension) in shape.enumerated().reversed() {
      let (product, overflow) = expected.multipliedReportingOverflow(by: dimension)
      guard dimension >= 0, !overflow else {
        throw .badFile(file: place, found: "shape \(shape)", expected: "one whose elements can be counted")
      }
      expected = product
      if axis > 0 { rowLength *= dimension }
    }
    guard expected == byteCount else {
      throw .badFile(
        file: place, found: "\(byteCount) bytes of elements",
        expected: "\(expected) for shape \(shape) of \(element.byteCount)-byte elements")
    }
    self.place = place
    self.element = element
    self.isBigEndian = isBigEndian
    self.shape = shape
    self.rowLength = rowLength
    self.file = file
    self.offset = offset
  }

  /// All elements divided by `divisor`, in order.
  ///
  /// - Parameter name: of an element of an example, in errors, in front of its index.
  /// - Throws: `DatasetError.badFile` for the first that is not a finite F32 number.
  func floats(divisor: Float, named name: String) throws(DatasetError) -> [Float] {
    let count = rowCount * rowLength
    let length = max(1, rowLength)
    var out: [Float] = []
    out.reserveCapacity(count)
    for i in 0..<count {
      let value = Float(number(at: i)) / divisor
      guard value.isFinite else {
        throw .badFile(
          file: place, found: "\(number(at: i)) in example \(i / length), \(name)\(i % length)",
          expected: "a finite number")
      }
      out.append(value)
    }
    return out
  }

  /// The elements as classes.
  ///
  /// - Throws: `DatasetError.badFile` for another shape than `[n]` or `[n, 1]`, and for the first element that is no whole
  ///   number from 0 to below `classCountMax`.
  func labels(classCountMax: Int) throws(DatasetError) -> [Int32] {
    guard shape.count == 1 || shape.count == 2 && shape[1] == 1 else {
      throw .badFile(file: place, found: "labels of shape \(shape)", expected: "one label an example: [n] or [n, 1]")
    }
    var out: [Int32] = []
    out.reserveCapacity(rowCount)
    for i in 0..<rowCount {
      let value = number(at: i)
      guard value >= 0, value < Double(classCountMax), value == value.rounded() else {
        let found = Int(exactly: value).map(String.init) ?? "\(value)"
        throw .badFile(
          file: place, found: "\(found) as the label of example \(i)",
          expected: "a class from 0 to \(classCountMax - 1)")
      }
      out.append(Int32(value))
    }
    return out
  }

  /// Element `i`; whole numbers of 64 bits are rounded to 53.
  private func number(at i: Int) -> Double {
    let bits = file.unsigned(at: offset + i * element.byteCount, byteCount: element.byteCount, bigEndian: isBigEndian)
    switch element {
    case .u8: return Double(bits)
    case .i8: return Double(Int8(truncatingIfNeeded: bits))
    case .i16: return Double(Int16(truncatingIfNeeded: bits))
    case .i32: return Double(Int32(truncatingIfNeeded: bits))
    case .i64: return Double(Int64(bitPattern: bits))
    case .f32: return Double(Float(bitPattern: UInt32(bits)))
    case .f64: return Double(bitPattern: bits)
    }
  }
}
