/// One page without scripts and without anything that lies elsewhere; well-formed XML.
struct Page {
  private static let style = """
    body { font-family: Helvetica, Arial, 'DejaVu Sans', sans-serif; color: #1a1a1a; background: #ffffff;
      max-width: 70rem; margin: 2rem auto; padding: 0 1.5rem; line-height: 1.4; }
    h1 { font-size: 1.5rem; margin: 0 0 .3rem; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .4rem; }
    p { margin: .3rem 0 .8rem; max-width: 46rem; } .purpose { font-size: 1.05rem; }
    .figure { display: flex; flex-wrap: wrap; gap: 1rem 2rem; align-items: flex-start; margin: 0 0 1.6rem; }
    .figure > svg { flex: none; max-width: 100%; height: auto; }
    .figure > .beside { flex: 1; min-width: 14rem; font-size: .82rem; padding-top: 1.2rem; }
    table { border-collapse: collapse; font-size: .82rem; margin: 0 0 .6rem; }
    th, td { text-align: left; padding: .12rem .9rem .12rem 0; vertical-align: top; }
    th { font-weight: bold; border-bottom: 1px solid #4d4d4d; }
    tr + tr td { border-top: 1px solid #ececec; }
    th.number, td.number { text-align: right; font-variant-numeric: tabular-nums; }
    code { font-family: 'DejaVu Sans Mono', Menlo, monospace; font-size: .8rem; overflow-wrap: anywhere; }
    .command { display: block; background: #f3f3f3; padding: .4rem .6rem; margin: .3rem 0 .8rem; }
    .met { color: #00664b; font-weight: bold; } .unmet { color: #a83b00; font-weight: bold; }
    footer { color: #5c5c5c; font-size: .8rem; margin-top: 2.5rem; }
    @media print { body { margin: 0; max-width: none; } .figure, tr { break-inside: avoid; } h2 { break-after: avoid; } }
    """

  private let title: String
  private var parts: [String] = []

  init(title: String) { self.title = title }

  mutating func heading(_ text: String, level: Int = 2) {
    parts.append("<h\(level)>\(MarkupText.escaped(text))</h\(level)>")
  }

  mutating func paragraph(_ text: String, style: String? = nil) {
    parts.append("<p\(style.map { " class=\"\($0)\"" } ?? "")>\(MarkupText.escaped(text))</p>")
  }

  mutating func command(_ text: String) {
    parts.append("<code class=\"command\">\(MarkupText.escaped(text))</code>")
  }

  /// A picture, and beside it tables and what it shows.
  mutating func figure(_ plot: Plot, _ remark: String = "", tables: [DataTable] = []) {
    let text = remark.isEmpty ? "" : "<p>\(MarkupText.escaped(remark))</p>\n"
    let beside = text + tables.map { $0.element(rowsMax: 40) }.joined(separator: "\n")
    parts.append(
      "<div class=\"figure\" id=\"\(plot.name)\">\n\(plot.element)\n<div class=\"beside\">\n\(beside)\n</div>\n</div>")
  }

  mutating func table(_ table: DataTable) { parts.append(table.element()) }

  mutating func footer(_ text: String) { parts.append("<footer>\(MarkupText.escaped(text))</footer>") }

  var text: String {
    """
    <!DOCTYPE html>
    <html xmlns="http://www.w3.org/1999/xhtml" lang="en">
    <head>
    <meta charset="utf-8"/>
    <meta name="viewport" content="width=device-width, initial-scale=1"/>
    <title>\(MarkupText.escaped(title))</title>
    <style>
    \(Self.style)
    </style>
    </head>
    <body>
    \(parts.joined(separator: "\n"))
    </body>
    </html>

    """
  }
}
