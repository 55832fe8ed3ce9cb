/// A cell of a comma-separated file, as a range of the file's bytes.
struct CSVCell {
  /// Without quotes around it, and without blanks around an unquoted cell.
  var start: Int
  var end: Int
  /// From 1; where the cell begins.
  var line: Int
  /// A quote within a quoted cell is written twice.
  var hasDoubledQuotes = false
}

/// The records of a comma-separated file (RFC 4180): cells between commas, quoted where they hold commas, quotes or line
/// ends; records end in LF or CRLF.
///
/// More lenient than the page in two places: a byte-order mark is skipped, and blanks around cells, quoted or not, do not
/// count.
struct CSVRecords {
  enum Record {
    /// The cells are those handed to `next`.
    case cells(line: Int)
    case blank(line: Int)
    /// A quote where none may be; the rest of the record was skipped.
    case malformed(line: Int, found: String, expected: String)
  }

  let file: FileBytes
  private let raw: UnsafeRawBufferPointer
  private var position: Int
  private var line = 1

  init(_ file: FileBytes) {
    self.file = file
    raw = file.raw
    position = file.has([0xEF, 0xBB, 0xBF]) ? 3 : 0
  }

  /// The next record; nil at the end.
  ///
  /// - Parameter cells: replaced by its cells, and reused to save allocations.
  mutating func next(into cells: inout [CSVCell]) -> Record? {
    cells.removeAll(keepingCapacity: true)
    guard position < raw.count else { return nil }
    let first = line
    if let end = lineEnd(at: position) {
      position = end
      line += 1
      return .blank(line: first)
    }
    while true {
      skipBlanks()
      let cellLine = line
      if position < raw.count, raw[position] == Self.quote {
        guard let cell = quoted() else {
          return .malformed(line: cellLine, found: "a quoted cell without an end", expected: "a closing quote")
        }
        cells.append(cell)
        skipBlanks()
        guard position == raw.count || raw[position] == Self.comma || lineEnd(at: position) != nil else {
          let problemLine = line
          skipRecord()
          return .malformed(
            line: problemLine, found: "text behind a closing quote", expected: "a comma or the end of the line")
        }
      } else {
        let cell = unquoted()
        cells.append(cell)
        if raw[cell.start..<cell.end].contains(Self.quote) {
          skipRecord()
          return .malformed(
            line: cellLine, found: "a quote within '\(CSVDataset.shortened(text(cell)))'",
            expected: "quotes around the whole cell")
        }
      }
      if position == raw.count { return .cells(line: first) }
      if let end = lineEnd(at: position) {
        position = end
        line += 1
        return .cells(line: first)
      }
      position += 1  // The comma.
    }
  }

  /// A cell's text, doubled quotes once.
  func text(_ cell: CSVCell) -> String {
    let text = String(decoding: raw[cell.start..<cell.end], as: UTF8.self)
    return cell.hasDoubledQuotes ? text.replacing("\"\"", with: "\"") : text
  }

  // MARK: Parts

  private static let comma = UInt8(ascii: ",")
  private static let quote = UInt8(ascii: "\"")

  /// Behind the LF or CRLF at `index`; nil if there is none.
  private func lineEnd(at index: Int) -> Int? {
    guard index < raw.count else { return nil }
    if raw[index] == 0x0A { return index + 1 }
    return raw[index] == 0x0D && index + 1 < raw.count && raw[index + 1] == 0x0A ? index + 2 : nil
  }

  private mutating func skipBlanks() {
    while position < raw.count, raw[position] == 0x20 || raw[position] == 0x09 { position += 1 }
  }

  /// Up to a comma or a line end.
  private mutating func unquoted() -> CSVCell {
    let start = position
    while position < raw.count, raw[position] != Self.comma, raw[position] != 0x0A { position += 1 }
    // A file may end in CR; the CR of a CRLF is no part of the cell either way.
    var end = position
    if end > start, raw[end - 1] == 0x0D, position == raw.count || raw[position] == 0x0A {
      end -= 1
      if position < raw.count { position = end }
    }
    while end > start, raw[end - 1] == 0x20 || raw[end - 1] == 0x09 { end -= 1 }
    return CSVCell(start: start, end: end, line: line)
  }

  /// From an opening quote to behind the closing one; nil if the file ends before.
  private mutating func quoted() -> CSVCell? {
    var cell = CSVCell(start: position + 1, end: position + 1, line: line)
    position += 1
    while position < raw.count {
      if raw[position] == 0x0A {
        line += 1
      } else if raw[position] == Self.quote {
        guard position + 1 < raw.count, raw[position + 1] == Self.quote else {
          cell.end = position
          position += 1
          return cell
        }
        cell.hasDoubledQuotes = true
        position += 1
      }
      position += 1
    }
    return nil
  }

  private mutating func skipRecord() {
    while position < raw.count, raw[position] != 0x0A { position += 1 }
    position = min(position + 1, raw.count)
    line += 1
  }
}
