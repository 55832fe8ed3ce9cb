/// A file of a report: its name in the report's folder, and all of it.
package struct ReportFile: Hashable, Sendable {
  package let name: String
  package let text: String

  package init(name: String, text: String) {
    self.name = name
    self.text = text
  }

  /// The page, each picture, and each table.
  static func all(page: String, plots: [Plot], tables: [DataTable]) -> [ReportFile] {
    [ReportFile(name: "index.html", text: page)]
      + plots.map { ReportFile(name: "\($0.name).svg", text: $0.file) }
      + tables.map { ReportFile(name: "\($0.name).csv", text: $0.csv) }
  }
}
