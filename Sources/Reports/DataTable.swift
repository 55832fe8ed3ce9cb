/// Rows under named columns, as CSV and as part of a page.
package struct DataTable: Hashable, Sendable {
  package struct Column: Hashable, Sendable {
    package let title: String
    package var isNumber = true
  }

  /// Of the file, without its ending.
  let name: String
  package let columns: [Column]
  package private(set) var rows: [[String]] = []

  init(_ name: String, _ columns: [Column]) {
    self.name = name
    self.columns = columns
  }

  mutating func append(_ row: [String]) {
    precondition(row.count == columns.count, "a row has one cell a column")
    rows.append(row)
  }

  /// RFC 4180, with line feeds.
  package var csv: String {
    ([columns.map(\.title)] + rows).map { $0.map(Self.quoted).joined(separator: ",") + "\n" }.joined()
  }

  /// One dictionary a row, by title.
  package var records: [[String: String]] {
    rows.map { Dictionary(uniqueKeysWithValues: zip(columns.map(\.title), $0)) }
  }

  private static func quoted(_ cell: String) -> String {
    guard cell.contains(where: { $0 == "," || $0 == "\"" || $0.isNewline }) else { return cell }
    return "\"" + cell.replacing("\"", with: "\"\"") + "\""
  }

  /// - Parameter rowsMax: of more rows, the first and the last, with a word on those between.
  func element(rowsMax: Int = 400) -> String {
    let head = columns.map { "<th\(Self.alignment($0))>\(MarkupText.escaped($0.title))</th>" }.joined()
    var body = rows.map(row)
    if rows.count > rowsMax {
      let left = rows.count - rowsMax
      body.replaceSubrange(
        (rowsMax / 2)..<(rowsMax / 2 + left),
        with: ["<tr><td colspan=\"\(columns.count)\">… \(left) more in \(name).csv …</td></tr>"])
    }
    return "<table>\n<thead><tr>\(head)</tr></thead>\n<tbody>\n\(body.joined(separator: "\n"))\n</tbody>\n</table>"
  }

  private func row(_ row: [String]) -> String {
    "<tr>"
      + zip(row, columns).map { "<td\(Self.alignment($1))>\(MarkupText.escaped($0))</td>" }.joined() + "</tr>"
  }

  private static func alignment(_ column: Column) -> String { column.isNumber ? " class=\"number\"" : "" }
}

extension DataTable {
  /// Names beside values.
  static func facts(_ name: String, _ heading: (String, String) = ("", ""), _ facts: [(String, String)]) -> DataTable {
    var table = DataTable(name, [Column(title: heading.0, isNumber: false), Column(title: heading.1)])
    for (fact, value) in facts { table.append([fact, value]) }
    return table
  }
}
