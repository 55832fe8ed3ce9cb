/// Long series, shortened to what a picture can show: means of consecutive values.
struct Binning {
  /// Values in one bin; the last bin may have fewer.
  let size: Int
  private let count: Int

  init(_ count: Int, atMost most: Int) {
    self.count = count
    size = max(1, (count + most - 1) / most)
  }

  func means(_ values: [Double]) -> [Double] {
    precondition(values.count == count, "one value for each that is binned")
    return stride(from: 0, to: count, by: size).map { start in
      let bin = values[start..<min(count, start + size)]
      return bin.reduce(0, +) / Double(bin.count)
    }
  }

  /// What an axis says of it; nothing for bins of one.
  var remark: String { size == 1 ? "" : ", means of \(size)" }
}
